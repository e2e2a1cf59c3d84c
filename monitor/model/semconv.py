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
USER_ID: Final = "user.id"
"""A keyed pseudonym, never Dify's own user id."""

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

# --- Dify: whose it is --------------------------------------------------------------------------------------
# Dify Enterprise's telemetry data dictionary has these, unless marked as ours.
DIFY_TRACE_ID: Final = "dify.trace_id"
"""The id that the trace's own is made of: the run's, or the message's."""
DIFY_TENANT_ID: Final = "dify.tenant_id"
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
