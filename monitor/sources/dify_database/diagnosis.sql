-- What `monitor doctor` asks Dify's PostgreSQL beside the statements that are sent all the time (diagnosis.py): catalogs,
-- and a few rows by their indexes. Read-only, each in a short transaction of its own. Written as in postgres.sql.

-- name: server
-- Which server this is, and how it treats us.
SELECT current_setting('server_version'), current_user::text, current_database()::text, current_schema()::text,
       pg_is_in_recovery(), pg_backend_pid(), current_setting('default_transaction_read_only') = 'on',
       coalesce((SELECT array_agg(s) FROM unnest(r.rolconfig) s WHERE s LIKE 'statement_timeout=%%'), '{}'),
       r.rolsuper, r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls, r.rolconnlimit,
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usename = current_user)
FROM pg_roles r WHERE r.rolname = current_user

-- name: clock
-- The server's clock at this moment, to compare it with ours.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- name: hidden_schemas
-- Where Dify's tables are, should they lie in a schema that we may not use.
SELECT s.nspname::text FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE c.relname = 'messages' AND c.relkind IN ('r', 'p', 'v') AND NOT has_schema_privilege(s.oid, 'USAGE')

-- name: writable
-- Tables that we could change, and columns with credentials that we could read, though nothing asks for it.
SELECT c.relname::text,
       has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'),
       EXISTS (SELECT 1 FROM pg_attribute a JOIN unnest(%(tables)s::text[], %(columns)s::text[]) AS k(t, col)
                 ON k.t = c.relname AND k.col = a.attname
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND has_column_privilege(c.oid, a.attnum, 'SELECT'))
FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND s.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_table_is_visible(c.oid)
ORDER BY c.relname

-- name: replica
-- How far a replica is behind what it has received, and whether long readings may be broken off.
SELECT coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float8,
       pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn(),
       current_setting('hot_standby_feedback') = 'on'

-- name: sizes
-- About how many rows the big tables hold, by the server's own statistics.
SELECT c.relname::text, greatest(c.reltuples, 0)::bigint, c.relpages::bigint, pg_total_relation_size(c.oid)
FROM pg_class c
WHERE c.relname = ANY(%(tables)s::text[]) AND c.relkind IN ('r', 'p', 'm') AND pg_table_is_visible(c.oid)

-- name: revision
-- The revision of Dify's schema.
-- needs: alembic_version.version_num
SELECT version_num::text FROM alembic_version ORDER BY version_num

-- name: newest_message
-- The newest message.
SELECT us(m.created_at) FROM messages m ORDER BY m.created_at DESC LIMIT 1

-- name: newest_run
-- The newest run; only where an index leads to it.
SELECT us(r.created_at) FROM workflow_runs r ORDER BY r.created_at DESC LIMIT 1

-- name: future_messages
-- Messages from the future, a minute or more ahead of the server's clock.
SELECT count(*), max(us(x.created_at))
FROM (SELECT m.created_at FROM messages m WHERE m.created_at > timezone('UTC', now()) + interval '1 minute'
      ORDER BY m.created_at LIMIT 1000) x

-- name: future_runs
-- Runs from the future; only where an index leads to them.
SELECT count(*), max(us(x.created_at))
FROM (SELECT r.created_at FROM workflow_runs r WHERE r.created_at > timezone('UTC', now()) + interval '1 minute'
      ORDER BY r.created_at LIMIT 1000) x

-- name: offloaded
-- Whether Dify has cut payloads of nodes short and moved the whole into its object storage; counted up to a thousand.
-- needs: workflow_node_execution_offload.node_execution_id
SELECT count(*) FROM (SELECT o.node_execution_id FROM workflow_node_execution_offload o LIMIT 1000) x

-- name: activity
-- Turns of the last week by app, where an index leads to them: messages.
SELECT m.app_id::text, count(*) FROM messages m
WHERE m.created_at >= timezone('UTC', now()) - interval '7 days' GROUP BY m.app_id

-- name: run_activity
-- The same of runs that belong to no message.
SELECT r.app_id::text, count(*) FROM workflow_runs r
WHERE r.created_at >= timezone('UTC', now()) - interval '7 days' AND r.type <> 'chat' GROUP BY r.app_id
