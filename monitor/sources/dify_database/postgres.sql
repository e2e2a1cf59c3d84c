-- Every statement that is sent to Dify's PostgreSQL: read-only, bounded, on an index. `us(x)` stands for a timestamp in
-- whole microseconds (postgres.py). No statement reads `workflow_runs.graph`. ORDER BY names its columns with their table:
-- a bare `created_at` would mean the text in the select list, which no index is in the order of.

-- name: now
SELECT us(utc) FROM (SELECT timezone('UTC', now()) AS utc) AS clock

-- name: message_keys
SELECT m.id::text, m.created_at::text, us(m.created_at) FROM messages m
WHERE %(at)s::timestamp IS NULL OR (m.created_at, m.id) > (%(at)s::timestamp, %(id)s::uuid)
ORDER BY m.created_at, m.id LIMIT %(limit)s

-- name: message_keys_since
SELECT m.id::text, m.created_at::text, us(m.created_at) FROM messages m
WHERE m.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND (m.created_at, m.id) <= (%(at)s::timestamp, %(id)s::uuid)
ORDER BY m.created_at, m.id LIMIT 100000

-- name: message_states
SELECT m.id::text, us(m.created_at),
       us(m.created_at) + CASE WHEN m.provider_response_latency > 0 AND m.provider_response_latency < 1e9
                               THEN (m.provider_response_latency * 1000000)::bigint ELSE 0 END,
       a.mode, m.workflow_run_id::text,
       (m.provider_response_latency > 0 AND m.status <> 'paused') OR m.status = 'error',
       octet_length(m.query) + octet_length(m.answer) + pg_column_size(m.message) + pg_column_size(m.inputs)
         + coalesce(octet_length(m.message_metadata), 0)
FROM messages m LEFT JOIN apps a ON a.id = m.app_id
WHERE m.id = ANY(%(ids)s::uuid[])

-- name: messages
SELECT m.id::text, m.app_id::text, a.tenant_id::text, a.name, a.mode, m.conversation_id::text, m.workflow_run_id::text,
       us(m.created_at), m.status, m.error, m.provider_response_latency, m.query, m.inputs::text, m.answer,
       m.message::text, m.model_provider, m.model_id, m.message_tokens, m.answer_tokens, m.total_price::text,
       m.currency, m.message_metadata, m.invoke_from, m.from_end_user_id::text, m.from_account_id::text,
       u.session_id, c.app_model_config_id::text
FROM messages m
LEFT JOIN apps a ON a.id = m.app_id
LEFT JOIN end_users u ON u.id = m.from_end_user_id
LEFT JOIN conversations c ON c.id = m.conversation_id
WHERE m.id = ANY(%(ids)s::uuid[])

-- name: thought_signals
SELECT message_id::text,
       md5(string_agg(concat_ws(',', id, position, octet_length(tool), octet_length(observation),
                                octet_length(tool_meta_str), tokens, octet_length(thought), octet_length(answer)),
                      ';' ORDER BY id)),
       max(us(created_at)),
       sum(coalesce(octet_length(thought), 0) + coalesce(octet_length(answer), 0)
           + coalesce(octet_length(tool_input), 0) + coalesce(octet_length(observation), 0))
FROM message_agent_thoughts WHERE message_id = ANY(%(ids)s::uuid[]) GROUP BY message_id

-- name: thoughts
SELECT id::text, message_id::text, position, us(created_at), thought, answer, tool, tool_input, tool_meta_str,
       observation, message_token, answer_token, tokens, total_price::text, currency
FROM message_agent_thoughts WHERE message_id = ANY(%(ids)s::uuid[])

-- name: run_keys
SELECT r.id::text, r.created_at::text, us(r.created_at) FROM workflow_runs r
WHERE %(at)s::timestamp IS NULL OR (r.created_at, r.id) > (%(at)s::timestamp, %(id)s::uuid)
ORDER BY r.created_at, r.id LIMIT %(limit)s

-- name: run_keys_since
SELECT r.id::text, r.created_at::text, us(r.created_at) FROM workflow_runs r
WHERE r.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND (r.created_at, r.id) <= (%(at)s::timestamp, %(id)s::uuid)
ORDER BY r.created_at, r.id LIMIT 100000

-- name: run_states
SELECT id::text, us(created_at), type, status, coalesce(octet_length(inputs), 0) + coalesce(octet_length(outputs), 0),
       tenant_id::text, app_id::text, workflow_id::text, triggered_from
FROM workflow_runs WHERE id = ANY(%(ids)s::uuid[])

-- name: runs
SELECT r.id::text, r.tenant_id::text, r.app_id::text, a.name, a.mode, r.workflow_id::text, r.version, r.type,
       r.triggered_from, r.status, us(r.created_at), us(r.finished_at), r.error, r.inputs, r.outputs, r.total_tokens,
       r.created_by::text, u.session_id
FROM workflow_runs r
LEFT JOIN apps a ON a.id = r.app_id
LEFT JOIN end_users u ON u.id = r.created_by
WHERE r.id = ANY(%(ids)s::uuid[])

-- name: runs_with_message
SELECT DISTINCT workflow_run_id::text FROM messages
WHERE created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
  AND created_at <= timestamp 'epoch' + %(until_us)s * interval '1 microsecond'
  AND workflow_run_id = ANY(%(ids)s::uuid[])

-- name: node_signals
SELECT n.workflow_run_id::text, count(*), sum(hashtext(concat_ws(',', n.id, n.status, n.index, n.finished_at))::bigint),
       max(greatest(us(n.created_at), us(n.finished_at))),
       sum(coalesce(octet_length(n.inputs), 0) + coalesce(octet_length(n.process_data), 0)
           + coalesce(octet_length(n.outputs), 0) + coalesce(octet_length(n.execution_metadata), 0)),
       bool_or(n.status = 'failed' AND n.error ~* %(stop)s)
FROM unnest(%(tenants)s::uuid[], %(apps)s::uuid[], %(workflows)s::uuid[], %(ids)s::uuid[]) AS k(tenant, app, workflow, run)
JOIN workflow_node_executions n
  ON n.tenant_id = k.tenant AND n.app_id = k.app AND n.workflow_id = k.workflow
 AND n.triggered_from = %(triggered)s AND n.workflow_run_id = k.run
GROUP BY n.workflow_run_id

-- name: nodes
SELECT n.id::text, n.workflow_run_id::text, n.node_execution_id, n.node_id, n.node_type, n.title, n.index,
       n.predecessor_node_id, n.status, n.error, n.elapsed_time, us(n.created_at), us(n.finished_at), n.inputs,
       n.process_data, n.outputs, n.execution_metadata
FROM unnest(%(tenants)s::uuid[], %(apps)s::uuid[], %(workflows)s::uuid[], %(ids)s::uuid[]) AS k(tenant, app, workflow, run)
JOIN workflow_node_executions n
  ON n.tenant_id = k.tenant AND n.app_id = k.app AND n.workflow_id = k.workflow
 AND n.triggered_from = %(triggered)s AND n.workflow_run_id = k.run

-- name: single_step_keys
SELECT n.id::text, n.created_at::text, us(n.created_at)
FROM (SELECT DISTINCT tenant_id, app_id, id FROM workflows WHERE version = 'draft') w
JOIN workflow_node_executions n
  ON n.tenant_id = w.tenant_id AND n.app_id = w.app_id AND n.workflow_id = w.id AND n.triggered_from = 'single-step'
WHERE n.status IN ('succeeded', 'failed', 'exception', 'stopped')
  AND n.created_at >= timestamp 'epoch' + %(since_us)s * interval '1 microsecond'
ORDER BY n.created_at, n.id LIMIT %(limit)s

-- name: single_steps
SELECT n.id::text, n.workflow_run_id::text, n.node_execution_id, n.node_id, n.node_type, n.title, n.index,
       n.predecessor_node_id, n.status, n.error, n.elapsed_time, us(n.created_at), us(n.finished_at), n.inputs,
       n.process_data, n.outputs, n.execution_metadata, n.tenant_id::text, n.app_id::text, n.workflow_id::text, a.name,
       a.mode
FROM workflow_node_executions n LEFT JOIN apps a ON a.id = n.app_id
WHERE n.id = ANY(%(ids)s::uuid[])

-- name: graphs
SELECT id::text, version, graph FROM workflows WHERE id = ANY(%(ids)s::uuid[])

-- name: agent_tools
SELECT id::text, agent_mode FROM app_model_configs WHERE id = ANY(%(ids)s::uuid[])

-- name: indexes
SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = ANY(current_schemas(false)) AND tablename = 'workflow_runs'

-- name: check
SELECT (SELECT count(*) FROM (SELECT 1 FROM messages LIMIT 1) x), (SELECT count(*) FROM (SELECT 1 FROM workflow_runs LIMIT 1) x),
       (SELECT count(*) FROM (SELECT 1 FROM workflow_node_executions LIMIT 1) x),
       (SELECT count(*) FROM (SELECT 1 FROM message_agent_thoughts LIMIT 1) x)
