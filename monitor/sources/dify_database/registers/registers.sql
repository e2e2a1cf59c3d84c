-- Every statement about the small tables beside the turns: read-only, by primary key, bounded by `limit` or by ids. What a
-- statement is for stands under its name. `us(x)`: a timestamp in whole microseconds. `opt(table.column, x, y)`: x where
-- this Dify has the column and we may read it, else y. `needs`: no rows where one of these is missing or may not be read.
-- A `..._slice` and a `..._states` have a row also where there is nothing: no row at all means that they can't be read, and
-- a table that can't be read must not look like one that was emptied.

-- name: feedback_slice
-- The next ratings by id, in brief.
-- needs: message_feedbacks.id, message_feedbacks.app_id, message_feedbacks.conversation_id, message_feedbacks.message_id
-- needs: message_feedbacks.rating, message_feedbacks.content, message_feedbacks.from_source
-- needs: message_feedbacks.from_end_user_id, message_feedbacks.from_account_id
-- needs: message_feedbacks.created_at, message_feedbacks.updated_at
SELECT s.id::text, s.mark, s.size, us(s.created_at), us(s.updated_at)
FROM (SELECT 1) AS here
LEFT JOIN (SELECT f.id, f.created_at, f.updated_at,
                  md5(concat_ws(chr(31), f.rating, f.from_source, f.from_end_user_id, f.from_account_id, f.content)) AS mark,
                  coalesce(octet_length(f.content), 0) AS size
           FROM message_feedbacks f WHERE f.id > %(after)s::uuid ORDER BY f.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: feedback_states
-- The same of ratings that were found and not told yet.
-- needs: message_feedbacks.id, message_feedbacks.app_id, message_feedbacks.conversation_id, message_feedbacks.message_id
-- needs: message_feedbacks.rating, message_feedbacks.content, message_feedbacks.from_source
-- needs: message_feedbacks.from_end_user_id, message_feedbacks.from_account_id
-- needs: message_feedbacks.created_at, message_feedbacks.updated_at
SELECT k.id::text,
       CASE WHEN f.id IS NOT NULL
            THEN md5(concat_ws(chr(31), f.rating, f.from_source, f.from_end_user_id, f.from_account_id, f.content)) END,
       coalesce(octet_length(f.content), 0)
FROM unnest(%(ids)s::uuid[]) AS k(id) LEFT JOIN message_feedbacks f ON f.id = k.id

-- name: feedbacks
-- New or changed ratings whole.
-- needs: message_feedbacks.content, message_feedbacks.updated_at
SELECT f.id::text, f.app_id::text, f.conversation_id::text, f.message_id::text, f.rating, f.content, f.from_source,
       f.from_end_user_id::text, f.from_account_id::text, us(f.created_at), us(f.updated_at)
FROM message_feedbacks f WHERE f.id = ANY(%(ids)s::uuid[])

-- name: note_messages
-- Whose turn a rating or an annotation is about, without texts.
-- needs: messages
SELECT m.id::text, m.app_id::text, m.conversation_id::text, m.workflow_run_id::text, us(m.created_at), m.status,
       m.provider_response_latency, opt(messages.model_provider, m.model_provider, NULL),
       opt(messages.model_id, m.model_id, NULL), opt(messages.invoke_from, m.invoke_from, NULL),
       opt(messages.from_end_user_id, m.from_end_user_id::text, NULL),
       opt(messages.from_account_id, m.from_account_id::text, NULL),
       opt(messages.override_model_configs, m.override_model_configs, NULL)
FROM messages m WHERE m.id = ANY(%(ids)s::uuid[])

-- name: note_runs
-- The runs of those messages, without texts.
-- needs: workflow_runs
SELECT r.id::text, r.tenant_id::text, r.app_id::text, r.workflow_id::text, r.version, r.type, r.triggered_from, r.status,
       us(r.created_at), us(r.finished_at), r.created_by::text
FROM workflow_runs r WHERE r.id = ANY(%(ids)s::uuid[])

-- name: note_conversations
-- Which configuration those messages' conversations began with.
-- needs: conversations.app_model_config_id
SELECT c.id::text, c.app_model_config_id::text, opt(conversations.override_model_configs, c.override_model_configs, NULL)
FROM conversations c WHERE c.id = ANY(%(ids)s::uuid[])

-- name: note_users
-- The callers' own names for end users.
-- needs: end_users.session_id
SELECT u.id::text, u.session_id FROM end_users u WHERE u.id = ANY(%(ids)s::uuid[])

-- name: annotation_slice
-- The next annotations by id, in brief (without their count of hits).
-- needs: message_annotations.id, message_annotations.app_id, message_annotations.message_id, message_annotations.question
-- needs: message_annotations.content, message_annotations.account_id
-- needs: message_annotations.created_at, message_annotations.updated_at
SELECT s.id::text, s.mark, s.size
FROM (SELECT 1) AS here
LEFT JOIN (SELECT n.id, md5(concat_ws(chr(31), coalesce(n.question, ''), n.content, n.account_id, n.message_id)) AS mark,
                  coalesce(octet_length(n.question), 0) + octet_length(n.content) AS size
           FROM message_annotations n WHERE n.id > %(after)s::uuid ORDER BY n.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: annotations
-- New or changed annotations whole.
-- needs: message_annotations.question, message_annotations.content
SELECT n.id::text, n.app_id::text, n.message_id::text, n.question, n.content, n.account_id::text, us(n.created_at),
       us(n.updated_at)
FROM message_annotations n WHERE n.id = ANY(%(ids)s::uuid[])

-- name: app_config_slice
-- The next configurations by id: when they changed and how large they are, no texts.
-- needs: app_model_configs.id, app_model_configs.app_id, app_model_configs.created_at, app_model_configs.updated_at
-- needs: app_model_configs.model, app_model_configs.pre_prompt, app_model_configs.agent_mode
SELECT s.id::text, us(s.updated_at), s.size
FROM (SELECT 1) AS here
LEFT JOIN (SELECT c.id, c.updated_at, coalesce(octet_length(c.pre_prompt), 0) + coalesce(octet_length(c.agent_mode), 0) AS size
           FROM app_model_configs c WHERE c.id > %(after)s::uuid ORDER BY c.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: app_config_states
-- The same of configurations in force that were not told yet.
-- needs: app_model_configs.updated_at, app_model_configs.pre_prompt
SELECT k.id::text, us(c.updated_at), coalesce(octet_length(c.pre_prompt), 0) + coalesce(octet_length(c.agent_mode), 0)
FROM unnest(%(ids)s::uuid[]) AS k(id) LEFT JOIN app_model_configs c ON c.id = k.id

-- name: app_configs
-- New configurations whole, each with the one of its app before it. Times are whole seconds: of one second's rows the one
-- without `agent_mode` is the first (Dify makes it together with the app), and the one in force is the last.
-- needs: app_model_configs.app_id, app_model_configs.created_at, app_model_configs.pre_prompt, app_model_configs.model
SELECT c.id::text, c.app_id::text, us(c.created_at), us(c.updated_at),
       opt(app_model_configs.created_by, c.created_by::text, NULL),
       opt(app_model_configs.provider, c.provider, NULL),
       opt(app_model_configs.model_id, c.model_id, NULL),
       before.id::text,
       c.agent_mode,
       opt(app_model_configs.chat_prompt_config, c.chat_prompt_config, NULL),
       opt(app_model_configs.completion_prompt_config, c.completion_prompt_config, NULL),
       opt(app_model_configs.dataset_configs, c.dataset_configs, NULL),
       opt(app_model_configs.dataset_query_variable, c.dataset_query_variable, NULL),
       opt(app_model_configs.external_data_tools, c.external_data_tools, NULL),
       opt(app_model_configs.file_upload, c.file_upload, NULL),
       c.model,
       opt(app_model_configs.more_like_this, c.more_like_this, NULL),
       opt(app_model_configs.opening_statement, c.opening_statement, NULL),
       c.pre_prompt,
       opt(app_model_configs.prompt_type, c.prompt_type, NULL),
       opt(app_model_configs.retriever_resource, c.retriever_resource, NULL),
       opt(app_model_configs.sensitive_word_avoidance, c.sensitive_word_avoidance, NULL),
       opt(app_model_configs.speech_to_text, c.speech_to_text, NULL),
       opt(app_model_configs.suggested_questions, c.suggested_questions, NULL),
       opt(app_model_configs.suggested_questions_after_answer, c.suggested_questions_after_answer, NULL),
       opt(app_model_configs.text_to_speech, c.text_to_speech, NULL),
       opt(app_model_configs.user_input_form, c.user_input_form, NULL)
FROM app_model_configs c
LEFT JOIN (SELECT a.id, opt(apps.app_model_config_id, a.app_model_config_id, NULL::uuid) AS config_id FROM apps a) AS app
  ON app.id = c.app_id
LEFT JOIN LATERAL (
  SELECT p.id FROM app_model_configs p
  WHERE p.app_id = c.app_id AND p.id <> c.id
    AND (p.created_at, p.agent_mode IS NOT NULL, coalesce(p.id = app.config_id, false), p.id)
      < (c.created_at, c.agent_mode IS NOT NULL, coalesce(c.id = app.config_id, false), c.id)
  ORDER BY p.created_at DESC, p.agent_mode IS NOT NULL DESC, coalesce(p.id = app.config_id, false) DESC, p.id DESC
  LIMIT 1) AS before ON true
WHERE c.id = ANY(%(ids)s::uuid[])

-- name: workflow_slice
-- The next workflows by id: when published ones changed and how large they are, no graphs.
-- needs: workflows.id, workflows.tenant_id, workflows.app_id, workflows.type, workflows.version, workflows.graph
-- needs: workflows.created_at, workflows.updated_at
SELECT s.id::text, us(s.changed_at), s.size
FROM (SELECT 1) AS here
LEFT JOIN (SELECT w.id, CASE WHEN w.version <> 'draft' THEN w.updated_at END AS changed_at,
                  coalesce(octet_length(w.graph), 0) AS size
           FROM workflows w WHERE w.id > %(after)s::uuid ORDER BY w.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: workflow_states
-- The same of workflows in force that were not told yet.
-- needs: workflows.version, workflows.graph, workflows.updated_at
SELECT k.id::text, us(w.updated_at), coalesce(octet_length(w.graph), 0)
FROM unnest(%(ids)s::uuid[]) AS k(id) LEFT JOIN workflows w ON w.id = k.id AND w.version <> 'draft'

-- name: workflow_versions
-- New published workflows whole, each with the one of its app before it; never environment variables.
-- needs: workflows.tenant_id, workflows.app_id, workflows.type, workflows.version, workflows.graph
-- needs: workflows.created_at, workflows.updated_at
SELECT w.id::text, w.tenant_id::text, w.app_id::text, w.type, w.version, us(w.created_at), us(w.updated_at),
       opt(workflows.created_by, w.created_by::text, NULL), opt(workflows.marked_name, w.marked_name, NULL),
       opt(workflows.marked_comment, w.marked_comment, NULL), before.id::text, opt(workflows.features, w.features, NULL), w.graph
FROM workflows w
LEFT JOIN LATERAL (
  SELECT p.id FROM workflows p
  WHERE p.tenant_id = w.tenant_id AND p.app_id = w.app_id AND p.version <> 'draft' AND p.id <> w.id
    AND (p.created_at, p.version, p.id) < (w.created_at, w.version, w.id)
  ORDER BY p.created_at DESC, p.version DESC, p.id DESC LIMIT 1) AS before ON true
WHERE w.id = ANY(%(ids)s::uuid[]) AND w.version <> 'draft'

-- name: document_slice
-- The next knowledge documents by id: how far their indexing is.
-- needs: documents.id, documents.tenant_id, documents.dataset_id, documents.name, documents.error
-- needs: documents.indexing_status, documents.is_paused, documents.created_at, documents.processing_started_at
-- needs: documents.parsing_completed_at, documents.cleaning_completed_at, documents.splitting_completed_at
-- needs: documents.completed_at, documents.stopped_at, documents.paused_at
SELECT s.id::text, s.indexing_status, s.paused, us(s.stage_at), us(s.completed_at), us(s.stopped_at), us(s.paused_at)
FROM (SELECT 1) AS here
LEFT JOIN (SELECT d.id, d.indexing_status, coalesce(d.is_paused, false) AS paused, d.completed_at, d.stopped_at, d.paused_at,
                  greatest(d.created_at, d.processing_started_at, d.parsing_completed_at, d.cleaning_completed_at,
                           d.splitting_completed_at) AS stage_at
           FROM documents d WHERE d.id > %(after)s::uuid ORDER BY d.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: documents
-- What documents that failed, are stuck or paused are called, and their errors.
-- needs: documents.name, documents.error
SELECT d.id::text, d.tenant_id::text, d.dataset_id::text, d.name, d.error FROM documents d WHERE d.id = ANY(%(ids)s::uuid[])

-- name: dataset_names
-- What their knowledge bases are called.
-- needs: datasets.id, datasets.name
SELECT d.id::text, d.name FROM datasets d WHERE d.id = ANY(%(ids)s::uuid[])

-- name: dataset_states
-- Whether they are still there.
-- needs: datasets.id
SELECT k.id::text, d.id IS NOT NULL FROM unnest(%(ids)s::uuid[]) AS k(id) LEFT JOIN datasets d ON d.id = k.id

-- name: tenant_names
-- What their workspaces are called.
-- needs: tenants.id, tenants.name
SELECT t.id::text, t.name FROM tenants t WHERE t.id = ANY(%(ids)s::uuid[])

-- name: trigger_slice
-- The next trigger logs in the order of time, in brief.
-- needs: workflow_trigger_logs.id, workflow_trigger_logs.tenant_id, workflow_trigger_logs.app_id
-- needs: workflow_trigger_logs.workflow_id, workflow_trigger_logs.workflow_run_id, workflow_trigger_logs.trigger_type
-- needs: workflow_trigger_logs.trigger_data, workflow_trigger_logs.inputs, workflow_trigger_logs.status
-- needs: workflow_trigger_logs.error, workflow_trigger_logs.retry_count, workflow_trigger_logs.created_at
-- needs: workflow_trigger_logs.triggered_at, workflow_trigger_logs.finished_at
SELECT s.id::text, s.status, us(s.created_at), s.size
FROM (SELECT 1) AS here
LEFT JOIN (SELECT t.id, t.status, t.created_at, coalesce(octet_length(t.trigger_data), 0) + coalesce(octet_length(t.inputs), 0)
                  + coalesce(octet_length(t.error), 0) AS size
           FROM workflow_trigger_logs t WHERE t.id > %(after)s::uuid ORDER BY t.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: trigger_states
-- How far trigger logs are that were not over.
-- needs: workflow_trigger_logs.status, workflow_trigger_logs.trigger_data, workflow_trigger_logs.inputs
SELECT k.id::text, t.status, us(t.created_at), coalesce(octet_length(t.trigger_data), 0) + coalesce(octet_length(t.inputs), 0)
         + coalesce(octet_length(t.error), 0)
FROM unnest(%(ids)s::uuid[]) AS k(id) LEFT JOIN workflow_trigger_logs t ON t.id = k.id

-- name: triggers
-- Trigger logs whole, once they are over.
-- needs: workflow_trigger_logs.trigger_data, workflow_trigger_logs.inputs, workflow_trigger_logs.finished_at
SELECT t.id::text, t.tenant_id::text, t.app_id::text, t.workflow_id::text, t.workflow_run_id::text, t.trigger_type, t.status,
       t.trigger_data, t.inputs, t.error, t.retry_count, us(t.created_at), us(t.triggered_at), us(t.finished_at)
FROM workflow_trigger_logs t WHERE t.id = ANY(%(ids)s::uuid[])

-- name: form_slice
-- The next human-input forms in the order of time, in brief.
-- needs: human_input_forms.id, human_input_forms.tenant_id, human_input_forms.app_id, human_input_forms.node_id
-- needs: human_input_forms.status, human_input_forms.rendered_content, human_input_forms.created_at
-- needs: human_input_forms.updated_at, human_input_forms.expiration_time
SELECT s.id::text, s.status, us(s.created_at), s.size
FROM (SELECT 1) AS here
LEFT JOIN (SELECT f.id, f.status, f.created_at, coalesce(octet_length(f.rendered_content), 0) AS size
           FROM human_input_forms f WHERE f.id > %(after)s::uuid ORDER BY f.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: form_states
-- How forms stand that were waiting.
-- needs: human_input_forms.status, human_input_forms.rendered_content, human_input_forms.created_at
SELECT k.id::text, f.status, us(f.created_at), coalesce(octet_length(f.rendered_content), 0)
FROM unnest(%(ids)s::uuid[]) AS k(id) LEFT JOIN human_input_forms f ON f.id = k.id

-- name: forms
-- New or changed forms; neither their definition nor to whom they went, for access tokens are there.
-- needs: human_input_forms.tenant_id, human_input_forms.app_id, human_input_forms.node_id, human_input_forms.status
-- needs: human_input_forms.rendered_content, human_input_forms.updated_at, human_input_forms.expiration_time
SELECT f.id::text, f.tenant_id::text, f.app_id::text, opt(human_input_forms.workflow_run_id, f.workflow_run_id::text, NULL),
       opt(human_input_forms.form_kind, f.form_kind, NULL), f.node_id, f.status, f.rendered_content,
       opt(human_input_forms.selected_action_id, f.selected_action_id, NULL),
       opt(human_input_forms.submitted_data, f.submitted_data, NULL),
       opt(human_input_forms.submission_user_id, f.submission_user_id::text, NULL),
       opt(human_input_forms.submission_end_user_id, f.submission_end_user_id::text, NULL),
       us(f.created_at), us(f.updated_at), us(f.expiration_time), opt(human_input_forms.submitted_at, us(f.submitted_at), NULL)
FROM human_input_forms f WHERE f.id = ANY(%(ids)s::uuid[])

-- name: conversation_slice
-- The next conversations by id: whether they are marked as deleted.
-- needs: conversations.id, conversations.is_deleted, conversations.updated_at
SELECT s.id::text, s.is_deleted, us(s.updated_at)
FROM (SELECT 1) AS here
LEFT JOIN (SELECT c.id, c.is_deleted, c.updated_at
           FROM conversations c WHERE c.id > %(after)s::uuid ORDER BY c.id LIMIT %(limit)s) AS s ON true
ORDER BY s.id

-- name: hidden_turns
-- The next turns of conversations that are marked as deleted.
-- needs: messages
SELECT m.conversation_id::text, m.id::text, m.workflow_run_id::text, m.app_id::text, us(m.created_at)
FROM messages m
WHERE m.conversation_id = ANY(%(ids)s::uuid[]) AND (m.conversation_id, m.id) > (%(conversation)s::uuid, %(message)s::uuid)
ORDER BY m.conversation_id, m.id LIMIT %(limit)s
