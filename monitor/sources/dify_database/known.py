"""Dify's columns as we have seen them, from 0.15 to 1.12 (and in part 1.13), for the tables that we read.

Only so that `monitor doctor` can name what is new: nothing is decided by it. And the columns that hold credentials,
which no role of ours should see.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["KNOWN", "SECRETS"]


def _split(tables: dict[str, str]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({table: tuple(columns.split()) for table, columns in tables.items()})


KNOWN: Mapping[str, tuple[str, ...]] = _split(
    {
        "alembic_version": "version_num",
        "apps": (
            "id tenant_id name mode icon icon_background app_model_config_id status enable_site enable_api "
            "api_rpm api_rph is_demo is_public created_at updated_at is_universal workflow_id description "
            "tracing max_active_requests icon_type created_by updated_by use_icon_as_answer_icon"
        ),
        "tenants": "id name encrypt_public_key plan status created_at updated_at custom_config",
        "end_users": ("id tenant_id app_id type external_user_id name is_anonymous session_id created_at updated_at"),
        "accounts": (
            "id name email password password_salt avatar interface_language interface_theme timezone "
            "last_login_at last_login_ip status initialized_at created_at updated_at last_active_at"
        ),
        "app_model_configs": (
            "id app_id provider model_id configs created_at updated_at opening_statement suggested_questions "
            "suggested_questions_after_answer more_like_this model user_input_form pre_prompt agent_mode "
            "speech_to_text sensitive_word_avoidance retriever_resource dataset_query_variable prompt_type "
            "chat_prompt_config completion_prompt_config dataset_configs external_data_tools file_upload "
            "text_to_speech created_by updated_by"
        ),
        "workflows": (
            "id tenant_id app_id type version graph features created_by created_at updated_by updated_at "
            "environment_variables conversation_variables marked_name marked_comment rag_pipeline_variables"
        ),
        "conversations": (
            "id app_id app_model_config_id model_provider override_model_configs model_id mode name summary "
            "inputs introduction system_instruction system_instruction_tokens status from_source "
            "from_end_user_id from_account_id read_at read_account_id created_at updated_at is_deleted "
            "invoke_from dialogue_count"
        ),
        "messages": (
            "id app_id model_provider model_id override_model_configs conversation_id inputs query message "
            "message_tokens message_unit_price answer answer_tokens answer_unit_price "
            "provider_response_latency total_price currency from_source from_end_user_id from_account_id "
            "created_at updated_at agent_based message_price_unit answer_price_unit workflow_run_id status "
            "error message_metadata invoke_from parent_message_id app_mode"
        ),
        "message_agent_thoughts": (
            "id message_id message_chain_id position thought tool tool_input observation tool_process_data "
            "message message_token message_unit_price answer answer_token answer_unit_price tokens "
            "total_price currency latency created_by_role created_by created_at message_price_unit "
            "answer_price_unit message_files tool_labels_str tool_meta_str"
        ),
        "workflow_runs": (
            "id tenant_id app_id sequence_number workflow_id type triggered_from version graph inputs status "
            "outputs error elapsed_time total_tokens total_steps created_by_role created_by created_at "
            "finished_at exceptions_count"
        ),
        "workflow_node_executions": (
            "id tenant_id app_id workflow_id triggered_from workflow_run_id index predecessor_node_id node_id "
            "node_type title inputs process_data outputs status error elapsed_time execution_metadata "
            "created_at created_by_role created_by finished_at node_execution_id"
        ),
        "workflow_node_execution_offload": "id created_at tenant_id app_id node_execution_id type file_id",
        "dataset_retriever_resources": (
            "id message_id position dataset_id dataset_name document_id document_name data_source_type "
            "segment_id score content hit_count word_count segment_position index_node_hash retriever_from "
            "created_by created_at"
        ),
        "message_feedbacks": (
            "id app_id conversation_id message_id rating content from_source from_end_user_id from_account_id "
            "created_at updated_at"
        ),
        "message_annotations": (
            "id app_id conversation_id message_id content account_id created_at updated_at question hit_count"
        ),
        "workflow_trigger_logs": (
            "id tenant_id app_id workflow_id workflow_run_id root_node_id trigger_metadata trigger_type "
            "trigger_data inputs outputs status error queue_name celery_task_id retry_count elapsed_time "
            "total_tokens created_at created_by_role created_by triggered_at finished_at"
        ),
        "human_input_forms": (
            "id tenant_id app_id workflow_run_id conversation_id form_kind node_id form_definition "
            "rendered_content status expiration_time selected_action_id submitted_data submitted_at "
            "submission_user_id submission_end_user_id completed_by_recipient_id created_at updated_at"
        ),
        "documents": (
            "id tenant_id dataset_id position data_source_type data_source_info dataset_process_rule_id batch "
            "name created_from created_by created_api_request_id created_at processing_started_at file_id "
            "word_count parsing_completed_at cleaning_completed_at splitting_completed_at tokens "
            "indexing_latency completed_at is_paused paused_by paused_at error stopped_at indexing_status "
            "enabled disabled_at disabled_by archived archived_reason archived_by archived_at updated_at "
            "doc_type doc_metadata doc_form doc_language need_summary"
        ),
        "datasets": (
            "id tenant_id name description provider permission data_source_type indexing_technique "
            "index_struct created_by created_at updated_by updated_at embedding_model "
            "embedding_model_provider collection_binding_id retrieval_model built_in_field_enabled "
            "keyword_number icon_info runtime_mode pipeline_id chunk_structure enable_api is_multimodal "
            "summary_index_setting"
        ),
        "pipelines": (
            "id tenant_id name description workflow_id is_public is_published created_by created_at "
            "updated_by updated_at"
        ),
        "workflow_app_logs": (
            "id tenant_id app_id workflow_id workflow_run_id created_from created_by_role created_by created_at"
        ),
    }
)
"""Table to its columns, in the order in which Dify made them."""

SECRETS: Mapping[str, tuple[str, ...]] = _split(
    {
        "accounts": "password password_salt",
        "api_tokens": "token",
        "data_source_oauth_bindings": "access_token",
        "human_input_form_recipients": "access_token",
        "load_balancing_model_configs": "encrypted_config",
        "provider_models": "encrypted_config",
        "providers": "encrypted_config",
        "tool_api_providers": "credentials_str",
        "tool_builtin_providers": "encrypted_credentials",
        "tool_mcp_providers": "encrypted_credentials",
        "trace_app_config": "tracing_config",
        "workflows": "environment_variables",
    }
)
"""Table to its columns with credentials, encrypted or not."""
