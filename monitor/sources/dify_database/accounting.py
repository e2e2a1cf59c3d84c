"""Every table that a Dify from 0.15 to 1.13 has: which events its rows become, or why they are not read.

Plain data, one line a table; a test prints it and holds it against the recorded schemas, and the pages of the
documentation show it. A table that is not here is one that a newer Dify made: it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ACCOUNTED"]

_TEXTS = (
    "not read: because it is what knowledge bases hold, not what happened; what a search found stands with its turn"
)
_SETUP = "not read: because it is set-up of the installation or a workspace, not something that happened in a turn"
_SECRETS = "not read: because it holds credentials"
_SHOP_WINDOW = "not read: because it is Dify's own offer of apps and templates"
_TOOL_SETUP = "not read: because it sets tools up and holds credentials; the calls stand in thoughts and nodes"
_TRIGGER_SETUP = "not read: because it sets triggers up; what they did stands in workflow_trigger_logs"
_UNUSED = "not read: because no Dify from 0.15 on writes it"
_DRAFTS = "not read: because it is the editor's scratch pad of unpublished workflows"
_TRIAL = "not read: because it counts trials in Dify's own cloud"
_FILES = "not read: because files are named in the payloads of turns and steps; what is in them lies in Dify's storage"
_PAUSED = "not read: because a run's own status says that it is paused, and a form what it waits for"
_AGAIN = "not read: because each row repeats a run of workflow_runs"
_CLOUD = "not read: because it belongs to Dify's own cloud: billing, quotas, limits"
_QUEUE = "not read: because it is the task queue's own book-keeping"

ACCOUNTED: Mapping[str, str] = MappingProxyType(
    {
        # -- what happens in turns
        "messages": "event turn_started, turn_ended (chat, agent, completion and chatflow apps)",
        "message_agent_thoughts": "event step_ended (an agent's model calls, tool calls and searches)",
        "workflow_runs": "event turn_started, turn_ended (workflows, chatflows, knowledge pipelines); never `graph`",
        "workflow_node_executions": "event step_ended",
        "workflow_node_execution_offload": "event step_ended (which of a step's payloads Dify shortened)",
        "dataset_retriever_resources": "event step_ended (what a chat's search found; written up to Dify 1.2)",
        "conversations": "event content_deleted (marked as deleted, up to Dify 1.7); turn_ended (which configuration)",
        "message_chains": _UNUSED,
        "message_files": _FILES,
        "workflow_app_logs": _AGAIN,
        "workflow_archive_logs": _AGAIN,
        "workflow_conversation_variables": "not read: because it holds the newest values only; nodes show each change",
        "app_annotation_hit_histories": "not read: because the turn itself says which annotation answered it",
        "dataset_queries": "not read: because it names no turn; the question and what was found stand with the turn",
        "document_pipeline_execution_logs": "not read: because it repeats a pipeline's run of workflow_runs",
        "tool_model_invokes": _UNUSED,
        "tool_conversation_variables": _UNUSED,
        "tool_files": _FILES,
        "upload_files": _FILES,
        # -- facts beside the turns
        "message_feedbacks": "event feedback_given, feedback_withdrawn",
        "message_annotations": "event annotation_made, annotation_removed",
        "app_model_configs": "event config_changed; its hash on every turn",
        "workflows": "event config_changed (published versions; a draft is a hash on its turns, no event)",
        "workflow_trigger_logs": "event trigger_logged (Dify 1.10 and later)",
        "human_input_forms": "event form_changed (Dify 1.13 and later)",
        "documents": "event indexing_changed (failed, stuck, paused; completed or deleted after that)",
        "workflow_pauses": _PAUSED,
        "workflow_pause_reasons": _PAUSED,
        "human_input_form_deliveries": "not read: because it says to whom a form was sent, not what was answered",
        "human_input_form_recipients": "not read: because it holds access tokens",
        "human_input_form_upload_tokens": "not read: because it holds access tokens",
        "human_input_form_upload_files": _FILES,
        # -- names
        "apps": "event turn_started and all others (the app's name, mode and what is in force)",
        "tenants": "event turn_started and all others (the workspace's name)",
        "accounts": "event turn_started (the name of a person of the workspace, as content)",
        "end_users": "event turn_started (the caller's own name for the user, as content)",
        "datasets": "event indexing_changed (the knowledge base's name)",
        "pipelines": "event turn_started (the name of a knowledge pipeline)",
        "alembic_version": "not read: because it is the schema's revision, asked by `monitor doctor` only",
        # -- knowledge
        "child_chunks": _TEXTS,
        "dataset_keyword_tables": _TEXTS,
        "dataset_metadata_bindings": _TEXTS,
        "dataset_metadatas": _TEXTS,
        "document_segment_summaries": _TEXTS,
        "document_segments": _TEXTS,
        "embeddings": _TEXTS,
        "segment_attachment_bindings": _TEXTS,
        "app_dataset_joins": "not read: because the app's configuration names its knowledge bases",
        "dataset_auto_disable_logs": _CLOUD,
        "dataset_collection_bindings": _SETUP,
        "dataset_permissions": _SETUP,
        "dataset_process_rules": _SETUP,
        "external_knowledge_apis": _SECRETS,
        "external_knowledge_bindings": _SETUP,
        "tidb_auth_bindings": _SECRETS,
        "pipeline_built_in_templates": _SHOP_WINDOW,
        "pipeline_customized_templates": _SHOP_WINDOW,
        "pipeline_recommended_plugins": _SHOP_WINDOW,
        # -- credentials
        "api_tokens": _SECRETS,
        "data_source_api_key_auth_bindings": _SECRETS,
        "data_source_oauth_bindings": _SECRETS,
        "datasource_oauth_params": _SECRETS,
        "datasource_oauth_tenant_params": _SECRETS,
        "datasource_providers": _SECRETS,
        "load_balancing_model_configs": _SECRETS,
        "oauth_provider_apps": _SECRETS,
        "provider_credentials": _SECRETS,
        "provider_model_credentials": _SECRETS,
        "provider_models": _SECRETS,
        "providers": _SECRETS,
        "tool_oauth_system_clients": _SECRETS,
        "tool_oauth_tenant_clients": _SECRETS,
        "trace_app_config": _SECRETS,
        "trigger_oauth_system_clients": _SECRETS,
        "trigger_oauth_tenant_clients": _SECRETS,
        "trigger_subscriptions": _SECRETS,
        "account_integrates": _SECRETS,
        "invitation_codes": _SECRETS,
        "app_mcp_servers": _SECRETS,
        # -- tools
        "api_based_extensions": _TOOL_SETUP,
        "tool_api_providers": _TOOL_SETUP,
        "tool_builtin_providers": _TOOL_SETUP,
        "tool_mcp_providers": _TOOL_SETUP,
        "tool_label_bindings": _SETUP,
        "tool_published_apps": _SETUP,
        "tool_workflow_providers": "not read: because a workflow called as a tool is a run of its own",
        # -- triggers
        "app_triggers": _TRIGGER_SETUP,
        "workflow_plugin_triggers": _TRIGGER_SETUP,
        "workflow_schedule_plans": _TRIGGER_SETUP,
        "workflow_webhook_triggers": _TRIGGER_SETUP,
        # -- the editor
        "workflow_draft_variables": _DRAFTS,
        "workflow_draft_variable_files": _DRAFTS,
        # -- installation, workspaces, people
        "account_plugin_permissions": _SETUP,
        "app_annotation_settings": _SETUP,
        "dify_setups": _SETUP,
        "installed_apps": _SETUP,
        "pinned_conversations": "not read: because it is how people arrange their own list of conversations",
        "saved_messages": "not read: because it is how people keep answers for themselves",
        "provider_model_settings": _SETUP,
        "provider_orders": _CLOUD,
        "sites": _SETUP,
        "tag_bindings": _SETUP,
        "tags": _SETUP,
        "tenant_account_joins": _SETUP,
        "tenant_default_models": _SETUP,
        "tenant_plugin_auto_upgrade_strategies": _SETUP,
        "tenant_preferred_model_providers": _SETUP,
        "whitelists": _SETUP,
        # -- Dify's own cloud and offers
        "account_trial_app_records": _TRIAL,
        "trial_apps": _TRIAL,
        "tenant_credit_pools": _CLOUD,
        "rate_limit_logs": _CLOUD,
        "exporle_banners": _SHOP_WINDOW,
        "recommended_apps": _SHOP_WINDOW,
        # -- nobody writes them, or the machinery does
        "api_requests": _UNUSED,
        "operation_logs": _UNUSED,
        "celery_taskmeta": _QUEUE,
        "celery_tasksetmeta": _QUEUE,
    }
)
"""By table."""
