"""Every attribute and label name that leaves this process, once. Values and meanings: docs/reference.

Names follow, in this order, OpenTelemetry's conventions, Dify Enterprise's documented telemetry, ours.

* OpenTelemetry GenAI (development): https://github.com/open-telemetry/semantic-conventions-genai; the last
  text in the core repository: https://github.com/open-telemetry/semantic-conventions/tree/v1.41.1/docs/gen-ai
* error, service, deployment, user: https://opentelemetry.io/docs/specs/semconv/registry/attributes/
* OpenTelemetry's Python constants of these names are deprecated or private, hence our own.
"""

from __future__ import annotations

from typing import Final

# --- resource -----------------------------------------------------------------------------------------------
# https://opentelemetry.io/docs/specs/semconv/resource/
SERVICE_NAME: Final = "service.name"
DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"

SCOPE_NAME: Final = "dify.monitor"
"""Instrumentation scope of every span that we write."""
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.41.1"
"""Version of the conventions that the `gen_ai.*` names below were taken from."""

# --- general ------------------------------------------------------------------------------------------------
# https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/ and .../user/
ERROR_TYPE: Final = "error.type"
ERROR_TYPE_OTHER: Final = "_OTHER"
"""The value where nothing better is known."""
ERROR_MESSAGE: Final = "error.message"
"""Content, on log records only: a span has the message as its status' description."""
USER_ID: Final = "user.id"
"""A keyed pseudonym, never Dify's own user id."""

# --- HTTP ---------------------------------------------------------------------------------------------------
# https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"

# --- generative AI ------------------------------------------------------------------------------------------
# https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-spans.md
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
"""Seconds, a double."""
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_WORKFLOW_NAME: Final = "gen_ai.workflow.name"
GEN_AI_DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_TYPE: Final = "gen_ai.tool.type"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"

# Only on the span that counts them: the sum over all spans is what was used.
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_USAGE_TOTAL_TOKENS: Final = "gen_ai.usage.total_tokens"
"""Dify Enterprise's and Sentry's. OpenTelemetry leaves the sum to the reader, but Dify may keep only that."""

# Content: leaves only as a sink's `content` setting says.
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
GEN_AI_TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
GEN_AI_RETRIEVAL_QUERY_TEXT: Final = "gen_ai.retrieval.query.text"
GEN_AI_RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"
"""A JSON list. Ids and scores are facts and always leave; titles and texts are content."""

# What people thought of an answer.
# https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-events.md
GEN_AI_EVALUATION_RESULT: Final = "gen_ai.evaluation.result"
"""Name of the event."""
GEN_AI_EVALUATION_NAME: Final = "gen_ai.evaluation.name"
"""`user_feedback`, `admin_feedback` or `annotation`."""
GEN_AI_EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
"""A double: 1 for a like, 0 for a dislike; none for a rating withdrawn and for annotations."""
GEN_AI_EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
"""like, dislike, withdrawn; made, changed, removed."""
GEN_AI_EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"
"""Content: the comment of a rating, the answer of an annotation."""

# --- Dify: whose it is --------------------------------------------------------------------------------------
# Dify Enterprise's telemetry data dictionary has these, unless marked as ours.
DIFY_TRACE_ID: Final = "dify.trace_id"
"""The id that the trace's own is made of: the run's, or the message's."""
DIFY_TENANT_ID: Final = "dify.tenant_id"
DIFY_TENANT_NAME: Final = "dify.tenant.name"
"""Ours: the workspace's name."""
DIFY_APP_ID: Final = "dify.app_id"
DIFY_APP_NAME: Final = "dify.app.name"
DIFY_APP_MODE: Final = "dify.app.mode"
"""Ours."""
DIFY_INVOKE_FROM: Final = "dify.invoke_from"
DIFY_CONVERSATION_ID: Final = "dify.conversation.id"
DIFY_MESSAGE_ID: Final = "dify.message.id"
DIFY_WORKFLOW_RUN_ID: Final = "dify.workflow.run_id"
DIFY_WORKFLOW_ID: Final = "dify.workflow.id"
DIFY_WORKFLOW_VERSION: Final = "dify.workflow.version"
DIFY_CONFIG_HASH: Final = "dify.config.hash"
"""Ours: which prompt, model, tools or published workflow was live."""

# --- Dify: a node -------------------------------------------------------------------------------------------
DIFY_NODE_ID: Final = "dify.node.id"
DIFY_NODE_EXECUTION_ID: Final = "dify.node.execution_id"
DIFY_NODE_TYPE: Final = "dify.node.type"
DIFY_NODE_TITLE: Final = "dify.node.title"
DIFY_NODE_INDEX: Final = "dify.node.index"
DIFY_NODE_PREDECESSOR: Final = "dify.node.predecessor_node_id"
DIFY_NODE_STATUS: Final = "dify.node.status"
"""Dify's own word."""
DIFY_NODE_ELAPSED_TIME: Final = "dify.node.elapsed_time"
"""Seconds, a double, as Dify measured them."""
DIFY_NODE_ITERATION_ID: Final = "dify.node.iteration_id"
DIFY_NODE_ITERATION_INDEX: Final = "dify.node.iteration_index"
DIFY_NODE_LOOP_ID: Final = "dify.node.loop_id"
DIFY_NODE_LOOP_INDEX: Final = "dify.node.loop_index"

# Content.
DIFY_NODE_ERROR: Final = "dify.node.error"
DIFY_NODE_INPUTS: Final = "dify.node.inputs"
DIFY_NODE_OUTPUTS: Final = "dify.node.outputs"
DIFY_NODE_PROCESS_DATA: Final = "dify.node.process_data"

# --- Dify: a step, a tool, a retrieval (ours) ---------------------------------------------------------------
DIFY_STEP_STATUS: Final = "dify.step.status"
"""succeeded, failed, stopped or unknown."""
DIFY_STEP_HANDLED: Final = "dify.step.handled"
"""true where a failure was caught: by a fail branch, a default value, the agent."""
DIFY_STEP_SOFT: Final = "dify.step.soft"
"""true where Dify called it a success and the answer says that it failed."""
DIFY_CONTENT_TRUNCATED: Final = "dify.content.truncated"
"""Content fields, joined by commas, that Dify had cut short before they were read."""
DIFY_STEP_ATTEMPT: Final = "dify.step.attempt"
"""Name of the span event of an earlier try."""
DIFY_TOOL_PROVIDER: Final = "dify.tool.provider"
DIFY_TOOL_PROVIDER_TYPE: Final = "dify.tool.provider_type"
DIFY_TOOL_KNOWN: Final = "dify.tool.known"
"""false where the app's configuration has no such tool: the model made it up."""
DIFY_TOOL_CALL_COUNT: Final = "dify.tool.call_count"
"""Only above 1: calls of which Dify kept one result."""
DIFY_RETRIEVAL_DOCUMENT_COUNT: Final = "dify.retrieval.document_count"

# --- Dify: a turn (ours) ------------------------------------------------------------------------------------
DIFY_TURN_STATUS: Final = "dify.turn.status"
"""succeeded, failed, partial, stopped or abandoned."""
DIFY_TURN_FAILED_STEPS: Final = "dify.turn.failed_steps"
DIFY_TURN_TIME_TO_FIRST_TOKEN: Final = "dify.turn.time_to_first_token"  # noqa: S105 - a word of the model's text
"""Seconds, a double."""
DIFY_TURN_USAGE_INPUT_TOKENS: Final = "dify.turn.usage.input_tokens"
DIFY_TURN_USAGE_OUTPUT_TOKENS: Final = "dify.turn.usage.output_tokens"
DIFY_TURN_USAGE_TOTAL_TOKENS: Final = "dify.turn.usage.total_tokens"
DIFY_TURN_USAGE_COST: Final = "dify.turn.usage.cost"
DIFY_TURN_USAGE_CURRENCY: Final = "dify.turn.usage.currency"

DIFY_TURN_ANNOTATION_ID: Final = "dify.turn.annotation_id"
"""The annotation that answered in the model's place."""
DIFY_TURN_MODERATED: Final = "dify.turn.moderated"
"""true where a moderation answered in the model's place, or replaced its answer."""
DIFY_TURN_TOKENS_DISAGREE: Final = "dify.turn.tokens_disagree"
"""true where Dify's totals for the turn are not what its steps add up to."""

# --- Dify: facts beside the turns (ours) --------------------------------------------------------------------
DIFY_FEEDBACK_ID: Final = "dify.feedback.id"
DIFY_FEEDBACK_RATING: Final = "dify.feedback.rating"
"""Dify's own word: like, dislike. Of a rating withdrawn: what it was."""
DIFY_FEEDBACK_WAS: Final = "dify.feedback.was"
"""The rating before this one."""
DIFY_FEEDBACK_GIVEN_BY: Final = "dify.feedback.given_by"
"""Dify's own word: user, admin."""
DIFY_FEEDBACK_WITHDRAWN: Final = "dify.feedback.withdrawn"
"""true where the rating was taken back."""
DIFY_ANNOTATION_ID: Final = "dify.annotation.id"
DIFY_ANNOTATION_STATE: Final = "dify.annotation.state"
"""made, changed or removed."""
DIFY_CONFIG_ID: Final = "dify.config.id"
DIFY_CONFIG_WAS: Final = "dify.config.was"
"""The hash before; missing where the configuration is the first that was seen."""
DIFY_CONFIG_WHAT: Final = "dify.config.what"
"""What differs, joined by commas."""
DIFY_DELETED_HOW: Final = "dify.deleted.how"
"""hidden, gone or aged."""
DIFY_TRIGGER_ID: Final = "dify.trigger.id"
DIFY_TRIGGER_TYPE: Final = "dify.trigger.type"
DIFY_TRIGGER_STATUS: Final = "dify.trigger.status"
"""Dify's own word."""
DIFY_TRIGGER_RETRIES: Final = "dify.trigger.retries"
DIFY_FORM_ID: Final = "dify.form.id"
DIFY_FORM_STATUS: Final = "dify.form.status"
"""Dify's own word: waiting, submitted, timeout, expired."""
DIFY_FORM_ACTION: Final = "dify.form.action"
DIFY_FORM_EXPIRES_AT: Final = "dify.form.expires_at"
"""ns since 1970 UTC."""
DIFY_DATASET_ID: Final = "dify.dataset.id"
DIFY_DATASET_NAME: Final = "dify.dataset.name"
DIFY_DOCUMENT_ID: Final = "dify.document.id"
DIFY_INDEXING_STATUS: Final = "dify.indexing.status"
"""failed, stuck, paused or completed."""
DIFY_INDEXING_STAGE: Final = "dify.indexing.stage"
"""Dify's own word."""
DIFY_INDEXING_SINCE: Final = "dify.indexing.since"
"""When that stage began, ns since 1970 UTC."""
DIFY_COVERAGE_SOURCE: Final = "dify.coverage.source"
DIFY_COVERAGE_STATE: Final = "dify.coverage.state"
"""safe, at_risk or overtaken."""
DIFY_COVERAGE_PURGE_SAFE_AT: Final = "dify.coverage.purge_safe_at"
"""Up to this moment Dify's rows may be deleted without loss, ns since 1970 UTC."""
DIFY_COVERAGE_OLDEST_AT: Final = "dify.coverage.oldest_at"
DIFY_COVERAGE_RETENTION_NS: Final = "dify.coverage.retention_ns"

# Content.
DIFY_ANNOTATION_QUESTION: Final = "dify.annotation.question"
DIFY_CONFIG_PROMPT: Final = "dify.config.prompt"
DIFY_CONFIG_CONTENT: Final = "dify.config.content"
DIFY_CONFIG_NOTE: Final = "dify.config.note"
DIFY_TRIGGER_INPUT: Final = "dify.trigger.input"
DIFY_FORM_CONTENT: Final = "dify.form.content"
DIFY_FORM_ANSWER: Final = "dify.form.answer"
DIFY_DOCUMENT_NAME: Final = "dify.document.name"
# --- Dify: money and time (ours) ----------------------------------------------------------------------------
DIFY_USAGE_COST: Final = "dify.usage.cost"
"""A double in `dify.usage.currency`; only on the span that counts it. OpenTelemetry has no cost."""
DIFY_USAGE_CURRENCY: Final = "dify.usage.currency"
DIFY_TIME_ESTIMATED: Final = "dify.time.estimated"
"""true where a time was worked out because Dify stored none."""

# --- metric labels ------------------------------------------------------------------------------------------
# https://prometheus.io/docs/practices/naming/#labels; never a user, a conversation or a message.
LABEL_TENANT_ID: Final = "tenant_id"
LABEL_APP_ID: Final = "app_id"
LABEL_APP_NAME: Final = "app_name"
LABEL_MODE: Final = "mode"
LABEL_INVOKE_FROM: Final = "invoke_from"
LABEL_STATUS: Final = "status"
LABEL_MODEL_PROVIDER: Final = "model_provider"
LABEL_MODEL_NAME: Final = "model_name"
LABEL_DIRECTION: Final = "direction"
LABEL_CURRENCY: Final = "currency"
LABEL_TOOL: Final = "tool"
LABEL_TOOL_PROVIDER: Final = "tool_provider"
LABEL_NODE_TYPE: Final = "node_type"
LABEL_DATASET_ID: Final = "dataset_id"
LABEL_COMPONENT: Final = "component"
LABEL_ERROR_TYPE: Final = "error_type"
LABEL_RATING: Final = "rating"
LABEL_SOURCE: Final = "source"
LABEL_WHAT: Final = "what"
LABEL_TENANT_NAME: Final = "tenant_name"
LABEL_TRIGGER_TYPE: Final = "trigger_type"
