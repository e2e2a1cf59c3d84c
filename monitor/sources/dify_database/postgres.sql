-- Every statement that is sent to Dify's PostgreSQL for turns: read-only, bounded, on an index. No statement reads
-- `workflow_runs.graph`. ORDER BY names its columns with their table: a bare `created_at` would mean the text in the
-- select list, which no index is in the order of. OFFSET 0 keeps PostgreSQL from turning a join round: what it would
-- begin with then is the whole of an index.
--
-- Written beside PostgreSQL's own language (statements.py):
--   -- name: x                           begins the statement x; the comments below it say what it is for.
--   -- needs: table, table.column        it gives no rows where one of these is missing or may not be read.
--   us(x)                                a timestamp in whole microseconds.
--   opt(table.column, value, instead)    `value` where this Dify has the column and we may read it, else `instead`;
--                                        several columns are separated by blanks, and a join may be a value too;
--                                        `table[column]` asks for an index that begins with the column.

-- name: now
-- The database's own time.
SELECT us(utc) FROM (SELECT timezone('UTC', now()) AS utc) AS clock

-- name: message_keys
-- The next new messages, in the order of their creation.
SELECT m.id::text, m.created_at::text, us(m.created_at) FROM messages m
WHERE %(at)s::timestamp IS NULL OR (m.created_at, m.id) > (%(at)s::timestamp, %(id)s::uuid)
ORDER BY m.created_at, m.id LIMIT %(limit)s

-- name: message_keys_since
-- Messages that appeared late, behind those that were read.
SELECT m.id::text, m.created_at::text, us(m.created_at) FROM messages m
WHERE m.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND (m.created_at, m.id) <= (%(at)s::timestamp, %(id)s::uuid)
ORDER BY m.created_at, m.id LIMIT 100000

-- name: message_states
-- How far messages are, without their texts.
SELECT m.id::text, us(m.created_at),
       us(m.created_at) + CASE WHEN m.provider_response_latency > 0 AND m.provider_response_latency < 1e9
                               THEN (m.provider_response_latency * 1000000)::bigint ELSE 0 END,
       coalesce(a.mode, opt(messages.app_mode, m.app_mode, NULL),
                opt(conversations.id conversations.mode,
                    (SELECT c.mode FROM conversations c WHERE c.id = m.conversation_id), NULL)),
       m.workflow_run_id::text,
       (m.provider_response_latency > 0 AND m.status <> 'paused') OR m.status = 'error',
       octet_length(m.query) + octet_length(m.answer) + opt(messages.message, pg_column_size(m.message), 0)
         + opt(messages.inputs, pg_column_size(m.inputs), 0)
         + opt(messages.message_metadata, coalesce(octet_length(m.message_metadata), 0), 0)
         + opt(messages.override_model_configs, coalesce(octet_length(m.override_model_configs), 0), 0),
       m.app_id::text, opt(messages.invoke_from, coalesce(m.invoke_from, ''), ''), coalesce(m.conversation_id::text, '')
FROM messages m LEFT JOIN apps a ON a.id = m.app_id
WHERE m.id = ANY(%(ids)s::uuid[])

-- name: messages
-- The messages that are told, whole.
SELECT m.id::text, m.app_id::text, a.tenant_id::text, a.name,
       coalesce(a.mode, opt(messages.app_mode, m.app_mode, NULL),
                opt(conversations.id conversations.mode, c.mode, NULL)),
       m.conversation_id::text, m.workflow_run_id::text, us(m.created_at), m.status, m.error,
       m.provider_response_latency, m.query, opt(messages.inputs, m.inputs::text, NULL), m.answer,
       opt(messages.message, m.message::text, NULL), opt(messages.model_provider, m.model_provider, NULL),
       opt(messages.model_id, m.model_id, NULL), m.message_tokens, m.answer_tokens, m.total_price::text,
       opt(messages.currency, m.currency, NULL), opt(messages.message_metadata, m.message_metadata, NULL),
       opt(messages.invoke_from, m.invoke_from, NULL), opt(messages.from_end_user_id, m.from_end_user_id::text, NULL),
       opt(messages.from_account_id, m.from_account_id::text, NULL),
       opt(messages.from_end_user_id end_users.id end_users.session_id, u.session_id, NULL),
       opt(conversations.id conversations.app_model_config_id, c.app_model_config_id::text, NULL),
       opt(tenants.id tenants.name, (SELECT t.name FROM tenants t WHERE t.id = a.tenant_id), NULL),
       coalesce(opt(messages.from_end_user_id end_users.id end_users.name, u.name, NULL),
                opt(messages.from_account_id accounts.id accounts.name,
                    (SELECT p.name FROM accounts p WHERE p.id = m.from_account_id), NULL)),
       coalesce(opt(messages.override_model_configs, m.override_model_configs, NULL),
                opt(conversations.id conversations.override_model_configs, c.override_model_configs, NULL))
FROM messages m
LEFT JOIN apps a ON a.id = m.app_id
opt(messages.from_end_user_id end_users.id, LEFT JOIN end_users u ON u.id = m.from_end_user_id, )
opt(conversations.id, LEFT JOIN conversations c ON c.id = m.conversation_id, )
WHERE m.id = ANY(%(ids)s::uuid[])

-- name: thought_signals
-- Whether an agent's steps changed.
SELECT message_id::text,
       md5(string_agg(concat_ws(',', id, position, octet_length(tool), octet_length(observation),
                                octet_length(tool_meta_str), tokens, octet_length(thought), octet_length(answer)),
                      ';' ORDER BY id)),
       max(us(created_at)),
       sum(coalesce(octet_length(thought), 0) + coalesce(octet_length(answer), 0)
           + coalesce(octet_length(tool_input), 0) + coalesce(octet_length(observation), 0))
FROM message_agent_thoughts WHERE message_id = ANY(%(ids)s::uuid[]) GROUP BY message_id

-- name: thoughts
-- An agent's steps: model calls and tool calls.
SELECT id::text, message_id::text, position, us(created_at), thought, answer, tool, tool_input, tool_meta_str,
       observation, message_token, answer_token, tokens, total_price::text, currency
FROM message_agent_thoughts WHERE message_id = ANY(%(ids)s::uuid[])

-- name: run_keys
-- The next new workflow runs, in the order of their creation.
SELECT r.id::text, r.created_at::text, us(r.created_at) FROM workflow_runs r
WHERE %(at)s::timestamp IS NULL OR (r.created_at, r.id) > (%(at)s::timestamp, %(id)s::uuid)
ORDER BY r.created_at, r.id LIMIT %(limit)s

-- name: run_keys_since
-- Runs that appeared late, behind those that were read.
SELECT r.id::text, r.created_at::text, us(r.created_at) FROM workflow_runs r
WHERE r.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND (r.created_at, r.id) <= (%(at)s::timestamp, %(id)s::uuid)
ORDER BY r.created_at, r.id LIMIT 100000

-- name: run_states
-- How far runs are, without their texts.
SELECT id::text, us(created_at), type, status,
       coalesce(octet_length(inputs), 0) + coalesce(octet_length(outputs), 0),
       tenant_id::text, app_id::text, workflow_id::text, triggered_from
FROM workflow_runs WHERE id = ANY(%(ids)s::uuid[])

-- name: runs
-- The runs that are told.
SELECT r.id::text, r.tenant_id::text, r.app_id::text, a.name, a.mode, r.workflow_id::text, r.version, r.type,
       r.triggered_from, r.status, us(r.created_at), us(r.finished_at), r.error, r.inputs, r.outputs, r.total_tokens,
       r.created_by::text, opt(end_users.id end_users.session_id, u.session_id, NULL),
       opt(tenants.id tenants.name, (SELECT t.name FROM tenants t WHERE t.id = r.tenant_id), NULL),
       coalesce(opt(end_users.id end_users.name, u.name, NULL),
                opt(accounts.id accounts.name, (SELECT p.name FROM accounts p WHERE p.id = r.created_by), NULL))
FROM workflow_runs r
LEFT JOIN apps a ON a.id = r.app_id
opt(end_users.id, LEFT JOIN end_users u ON u.id = r.created_by, )
WHERE r.id = ANY(%(ids)s::uuid[])

-- name: runs_with_message
-- Which runs belong to a message, and are told with it.
SELECT DISTINCT workflow_run_id::text FROM messages
WHERE created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND created_at <= timestamp 'epoch' + %(until_us)s * interval '1 microsecond'
  AND workflow_run_id = ANY(%(ids)s::uuid[])

-- name: node_signals
-- Whether runs' nodes changed.
SELECT n.workflow_run_id::text, count(*), sum(hashtext(concat_ws(',', n.id, n.status, n.index, n.finished_at))::bigint),
       max(greatest(us(n.created_at), us(n.finished_at))), sum(n.size), bool_or(n.stopped)
FROM unnest(%(tenants)s::uuid[], %(apps)s::uuid[], %(workflows)s::uuid[],
            %(ids)s::uuid[]) AS k(tenant, app, workflow, run)
CROSS JOIN LATERAL (SELECT x.workflow_run_id, x.id, x.status, x.index, x.created_at, x.finished_at,
                           coalesce(octet_length(x.inputs), 0) + coalesce(octet_length(x.process_data), 0)
                             + coalesce(octet_length(x.outputs), 0)
                             + coalesce(octet_length(x.execution_metadata), 0) AS size,
                           x.status = 'failed' AND x.error ~* %(stop)s AS stopped
                    FROM workflow_node_executions x
                    WHERE x.workflow_run_id = k.run
                          opt(workflow_node_executions[workflow_run_id], ,
                              AND x.tenant_id = k.tenant AND x.app_id = k.app AND x.workflow_id = k.workflow
                              AND x.triggered_from = %(triggered)s)
                    OFFSET 0) n
GROUP BY n.workflow_run_id

-- name: nodes
-- Runs' nodes: tool calls, model calls, searches and the rest.
SELECT n.id::text, n.workflow_run_id::text, n.node_execution_id, n.node_id, n.node_type, n.title, n.index,
       n.predecessor_node_id, n.status, n.error, n.elapsed_time, us(n.created_at), us(n.finished_at), n.inputs,
       n.process_data, n.outputs, n.execution_metadata
FROM unnest(%(tenants)s::uuid[], %(apps)s::uuid[], %(workflows)s::uuid[],
            %(ids)s::uuid[]) AS k(tenant, app, workflow, run)
CROSS JOIN LATERAL (SELECT x.id, x.workflow_run_id, x.node_execution_id, x.node_id, x.node_type, x.title, x.index,
                           x.predecessor_node_id, x.status, x.error, x.elapsed_time, x.created_at, x.finished_at,
                           x.inputs, x.process_data, x.outputs, x.execution_metadata
                    FROM workflow_node_executions x
                    WHERE x.workflow_run_id = k.run
                          opt(workflow_node_executions[workflow_run_id], ,
                              AND x.tenant_id = k.tenant AND x.app_id = k.app AND x.workflow_id = k.workflow
                              AND x.triggered_from = %(triggered)s)
                    OFFSET 0) n

-- name: single_step_keys
-- Nodes that were tried out alone, draft by draft (up to Dify 1.4).
SELECT n.id::text, n.created_at::text, us(n.created_at)
FROM (SELECT DISTINCT tenant_id, app_id, id FROM workflows WHERE version = 'draft') w
CROSS JOIN LATERAL (SELECT x.id, x.created_at, x.status FROM workflow_node_executions x
                    WHERE x.tenant_id = w.tenant_id AND x.app_id = w.app_id AND x.workflow_id = w.id
                      AND x.triggered_from = 'single-step' OFFSET 0) n
WHERE n.status IN ('succeeded', 'failed', 'exception', 'stopped')
  AND n.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
ORDER BY n.created_at, n.id LIMIT %(limit)s

-- name: single_step_keys_by_time
-- Nodes that were tried out alone, by the index of the drafts' executions (from Dify 1.5 on).
SELECT n.id::text, n.created_at::text, us(n.created_at)
FROM (SELECT DISTINCT tenant_id, id FROM workflows WHERE version = 'draft') w
CROSS JOIN LATERAL (SELECT x.id, x.created_at, x.status, x.triggered_from FROM workflow_node_executions x
                    WHERE x.tenant_id = w.tenant_id AND x.workflow_id = w.id
                      AND x.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond' OFFSET 0) n
WHERE n.triggered_from = 'single-step' AND n.status IN ('succeeded', 'failed', 'exception', 'stopped')
ORDER BY n.created_at, n.id LIMIT %(limit)s

-- name: single_steps
-- Nodes that were tried out alone, whole.
SELECT n.id::text, n.workflow_run_id::text, n.node_execution_id, n.node_id, n.node_type, n.title, n.index,
       n.predecessor_node_id, n.status, n.error, n.elapsed_time, us(n.created_at), us(n.finished_at), n.inputs,
       n.process_data, n.outputs, n.execution_metadata, n.tenant_id::text, n.app_id::text, n.workflow_id::text,
       a.name, a.mode,
       opt(tenants.id tenants.name, (SELECT t.name FROM tenants t WHERE t.id = n.tenant_id), NULL)
FROM workflow_node_executions n LEFT JOIN apps a ON a.id = n.app_id
WHERE n.id = ANY(%(ids)s::uuid[])

-- name: truncated
-- Which columns of nodes hold a shortened value (from Dify 1.9 on).
-- needs: workflow_node_execution_offload.node_execution_id, workflow_node_execution_offload.type
SELECT node_execution_id::text, type FROM workflow_node_execution_offload WHERE node_execution_id = ANY(%(ids)s::uuid[])

-- name: definitions
-- Workflows' definitions: tool names, models, and the hash of the configuration.
SELECT id::text, version, opt(workflows.features, features, NULL), opt(workflows.created_at, us(created_at), NULL),
       graph FROM workflows WHERE id = ANY(%(ids)s::uuid[])

-- name: configs
-- Configurations of chat, completion and agent apps: their tools, and the hash.
-- needs: app_model_configs.id
SELECT id::text, opt(app_model_configs.agent_mode, agent_mode, NULL),
       opt(app_model_configs.chat_prompt_config, chat_prompt_config, NULL),
       opt(app_model_configs.completion_prompt_config, completion_prompt_config, NULL),
       opt(app_model_configs.dataset_configs, dataset_configs, NULL),
       opt(app_model_configs.dataset_query_variable, dataset_query_variable, NULL),
       opt(app_model_configs.external_data_tools, external_data_tools, NULL),
       opt(app_model_configs.file_upload, file_upload, NULL), opt(app_model_configs.model, model, NULL),
       opt(app_model_configs.more_like_this, more_like_this, NULL),
       opt(app_model_configs.opening_statement, opening_statement, NULL),
       opt(app_model_configs.pre_prompt, pre_prompt, NULL), opt(app_model_configs.prompt_type, prompt_type, NULL),
       opt(app_model_configs.retriever_resource, retriever_resource, NULL),
       opt(app_model_configs.sensitive_word_avoidance, sensitive_word_avoidance, NULL),
       opt(app_model_configs.speech_to_text, speech_to_text, NULL),
       opt(app_model_configs.suggested_questions, suggested_questions, NULL),
       opt(app_model_configs.suggested_questions_after_answer, suggested_questions_after_answer, NULL),
       opt(app_model_configs.text_to_speech, text_to_speech, NULL),
       opt(app_model_configs.user_input_form, user_input_form, NULL),
       opt(app_model_configs.created_at, us(created_at), NULL)
FROM app_model_configs WHERE id = ANY(%(ids)s::uuid[])

-- name: any_resources
-- Whether Dify ever kept what searches found in a table of its own (up to 1.2).
-- needs: dataset_retriever_resources.message_id
SELECT 1 FROM (SELECT message_id FROM dataset_retriever_resources LIMIT 1) x

-- name: resources
-- What searches of chat messages found (up to Dify 1.2).
-- needs: dataset_retriever_resources.message_id, dataset_retriever_resources.position
-- needs: dataset_retriever_resources.dataset_id
SELECT r.message_id::text, r.position, r.dataset_id::text,
       opt(dataset_retriever_resources.dataset_name, r.dataset_name, NULL),
       opt(dataset_retriever_resources.document_id, r.document_id::text, NULL),
       opt(dataset_retriever_resources.document_name, r.document_name, NULL),
       opt(dataset_retriever_resources.segment_id, r.segment_id::text, NULL),
       opt(dataset_retriever_resources.score, r.score, NULL), opt(dataset_retriever_resources.content, r.content, NULL),
       coalesce(opt(dataset_retriever_resources.created_at, us(r.created_at), NULL), 0)
FROM dataset_retriever_resources r WHERE r.message_id = ANY(%(ids)s::uuid[])
ORDER BY r.message_id, r.position

-- name: apps
-- Names, modes and workspaces of all apps; once a minute.
SELECT a.id::text, a.tenant_id::text, a.name, a.mode,
       coalesce(opt(tenants.id tenants.name, (SELECT t.name FROM tenants t WHERE t.id = a.tenant_id), NULL), ''),
       coalesce(opt(apps.app_model_config_id, a.app_model_config_id::text, NULL), ''),
       coalesce(opt(apps.workflow_id, a.workflow_id::text, NULL), '')
FROM apps a

-- name: pipelines
-- The same of knowledge pipelines, which are no apps (from Dify 1.9 on).
-- needs: pipelines.id, pipelines.tenant_id, pipelines.name
SELECT p.id::text, p.tenant_id::text, p.name, 'rag-pipeline',
       coalesce(opt(tenants.id tenants.name, (SELECT t.name FROM tenants t WHERE t.id = p.tenant_id), NULL), ''),
       '', coalesce(opt(pipelines.workflow_id, p.workflow_id::text, NULL), '')
FROM pipelines p

-- name: entry_workflows
-- The draft and the newest published workflow of each app whose runs have no message; once a minute, on old schemas.
SELECT DISTINCT ON (w.app_id, w.version = 'draft')
       w.id::text, w.tenant_id::text, w.app_id::text, opt(workflows.updated_at, w.updated_at::text, NULL)
FROM workflows w WHERE opt(workflows.type, w.type, 'workflow') <> 'chat'
ORDER BY w.app_id, w.version = 'draft', w.version DESC

-- name: newest_runs_by_number
-- New runs without an index on their creation, by their number within the app (up to Dify 1.4).
-- needs: workflow_runs.sequence_number
WITH RECURSIVE newest AS (
  SELECT k.tenant, k.app, r.id, r.created_at, r.sequence_number, 1 AS depth
  FROM unnest(%(tenants)s::uuid[], %(apps)s::uuid[]) AS k(tenant, app)
  CROSS JOIN LATERAL (SELECT w.id, w.created_at, w.sequence_number FROM workflow_runs w
                      WHERE w.tenant_id = k.tenant AND w.app_id = k.app
                      ORDER BY w.sequence_number DESC, w.id DESC LIMIT 1) r
  UNION ALL
  SELECT b.tenant, b.app, r.id, r.created_at, r.sequence_number, b.depth + 1
  FROM newest b
  CROSS JOIN LATERAL (SELECT w.id, w.created_at, w.sequence_number FROM workflow_runs w
                      WHERE w.tenant_id = b.tenant AND w.app_id = b.app
                        AND (w.sequence_number, w.id) < (b.sequence_number, b.id)
                      ORDER BY w.sequence_number DESC, w.id DESC LIMIT 1) r
  WHERE b.depth < %(limit)s
    AND b.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond' - interval '1 minute')
SELECT r.id::text, r.created_at::text, us(r.created_at) FROM newest r
WHERE r.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
ORDER BY r.created_at, r.id

-- name: newest_runs_by_node
-- New runs without an index on their creation, by the executions of their first nodes (Dify 1.5 to 1.11.2).
SELECT r.id::text, r.created_at::text, us(r.created_at)
FROM unnest(%(tenants)s::uuid[], %(workflows)s::uuid[], %(nodes)s::text[]) AS k(tenant, workflow, node)
CROSS JOIN LATERAL (SELECT x.workflow_run_id FROM workflow_node_executions x
                    WHERE x.tenant_id = k.tenant AND x.workflow_id = k.workflow AND x.node_id = k.node
                      AND x.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
                    ORDER BY x.created_at DESC LIMIT %(limit)s) n
JOIN workflow_runs r ON r.id = n.workflow_run_id
WHERE r.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
GROUP BY r.id, r.created_at ORDER BY r.created_at, r.id

-- name: external_runs
-- Whether messages name runs that are kept elsewhere (Dify's Logstore).
SELECT count(*), count(r.id), EXISTS (SELECT 1 FROM (SELECT w.id FROM workflow_runs w ORDER BY w.id LIMIT 1) x)
FROM (SELECT m.workflow_run_id, m.created_at FROM messages m ORDER BY m.created_at DESC LIMIT 500) newest
LEFT JOIN workflow_runs r ON r.id = newest.workflow_run_id
WHERE newest.workflow_run_id IS NOT NULL AND newest.created_at < timezone('UTC', now()) - interval '5 minutes'

-- name: oldest_message
-- The oldest message that Dify still holds.
SELECT us(m.created_at) FROM messages m WHERE m.created_at > 'epoch' ORDER BY m.created_at LIMIT 1

-- name: oldest_run
-- The oldest run that Dify still holds.
SELECT us(r.created_at) FROM workflow_runs r WHERE r.created_at > 'epoch' ORDER BY r.created_at LIMIT 1

-- name: message_digests
-- Count and hash of a window's messages, to compare them with what is recorded.
SELECT m.app_id::text, count(*), sum(('x' || left(md5(m.id::text), 15))::bit(60)::bigint) FROM messages m
WHERE m.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND m.created_at < timestamp 'epoch' + %(until_us)s * interval '1 microsecond'
GROUP BY m.app_id

-- name: run_digests
-- Count and hash of a window's runs.
SELECT r.app_id::text, count(*), sum(('x' || left(md5(r.id::text), 15))::bit(60)::bigint) FROM workflow_runs r
WHERE r.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND r.created_at < timestamp 'epoch' + %(until_us)s * interval '1 microsecond'
GROUP BY r.app_id

-- name: message_ids
-- A window's messages of one app, where their digest was another than that of what is recorded.
SELECT m.id::text, m.created_at::text, us(m.created_at) FROM messages m
WHERE m.app_id = %(app)s::uuid AND m.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND m.created_at < timestamp 'epoch' + %(until_us)s * interval '1 microsecond'
ORDER BY m.created_at, m.id

-- name: run_ids
-- A window's runs of one app, likewise.
SELECT r.id::text, r.created_at::text, us(r.created_at) FROM workflow_runs r
WHERE r.app_id = %(app)s::uuid AND r.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND r.created_at < timestamp 'epoch' + %(until_us)s * interval '1 microsecond'
ORDER BY r.created_at, r.id

-- name: probed_columns
-- Which tables and columns this Dify has, and which of them may be read.
SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum),
       array_agg(has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND s.nspname NOT IN ('pg_catalog', 'information_schema')
  AND pg_table_is_visible(c.oid)
GROUP BY c.oid, c.relname

-- name: probed_indexes
-- Which indexes Dify's tables have.
SELECT c.relname::text,
       (SELECT array_agg(pg_get_indexdef(i.indexrelid, k, true) ORDER BY k) FROM generate_series(1, i.indnkeyatts) k)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE i.indisvalid AND i.indpred IS NULL AND s.nspname NOT IN ('pg_catalog', 'information_schema')
  AND pg_table_is_visible(c.oid)

-- name: probed_server
-- Who we are, and which PostgreSQL this is.
SELECT current_setting('server_version_num')::int, quote_ident(current_user)

-- name: check
-- Whether the four big tables may be read.
SELECT EXISTS (SELECT 1 FROM (SELECT m.id FROM messages m ORDER BY m.id LIMIT 1) x),
       EXISTS (SELECT 1 FROM (SELECT r.id FROM workflow_runs r ORDER BY r.id LIMIT 1) x),
       EXISTS (SELECT 1 FROM (SELECT n.id FROM workflow_node_executions n ORDER BY n.id LIMIT 1) x),
       EXISTS (SELECT 1 FROM (SELECT t.id FROM message_agent_thoughts t ORDER BY t.id LIMIT 1) x)
