"""The role that may read just what our statements read, as data and as SQL for PostgreSQL. Pure.

`WANTED` is the whole of it: a test on a real server takes the columns out of every statement and finds the same. Called
by the diagnosis (what is missing) and by `monitor doctor --grants`; docs/howto/database-role.md shows `portable`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Mapping

import msgspec

from monitor.sources.dify_database.probe import MUST_HAVE, Probe

__all__ = ["DEFAULT_ROLE", "WANTED", "Wanted", "grant", "identifier", "missing", "portable", "role_sql", "vanished"]

DEFAULT_ROLE = "dify_monitor"
_PUBLIC = "public"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_WIDTH = 110


class Wanted(msgspec.Struct, frozen=True):
    """The columns of one table that are read."""

    table: str
    columns: tuple[str, ...]
    """In every Dify that has the table."""
    newer: tuple[str, ...] = ()
    """In some Difys only; read where they are there."""
    optional: bool = False
    """Whether there are Difys, from 0.15 on, without the table."""

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.columns, *self.newer)


def _wanted(table: str, columns: str, newer: str = "", *, optional: bool = False) -> Wanted:
    return Wanted(table, tuple(columns.split()), tuple(newer.split()), optional=optional)


WANTED: tuple[Wanted, ...] = (
    _wanted("alembic_version", "version_num"),
    _wanted("tenants", "id name"),
    _wanted("apps", "id tenant_id name mode app_model_config_id workflow_id"),
    _wanted("pipelines", "id tenant_id name workflow_id", optional=True),
    _wanted("accounts", "id name"),
    _wanted("end_users", "id name session_id"),
    _wanted(
        "app_model_configs",
        "id app_id provider model_id created_at created_by updated_at agent_mode chat_prompt_config "
        "completion_prompt_config dataset_configs dataset_query_variable external_data_tools file_upload model "
        "more_like_this opening_statement pre_prompt prompt_type retriever_resource sensitive_word_avoidance "
        "speech_to_text suggested_questions suggested_questions_after_answer text_to_speech user_input_form",
    ),
    _wanted(
        "workflows",
        "id tenant_id app_id type version graph features created_by created_at updated_at",
        newer="marked_name marked_comment",
    ),
    _wanted("conversations", "id app_model_config_id override_model_configs mode is_deleted updated_at"),
    _wanted(
        "messages",
        "id app_id model_provider model_id override_model_configs conversation_id inputs query message message_tokens "
        "answer answer_tokens provider_response_latency total_price currency from_end_user_id from_account_id "
        "created_at workflow_run_id status error message_metadata invoke_from",
        newer="app_mode",
    ),
    _wanted(
        "message_agent_thoughts",
        "id message_id position thought answer tool tool_input tool_meta_str observation message_token answer_token "
        "tokens total_price currency created_at",
    ),
    _wanted(
        "workflow_runs",
        "id tenant_id app_id workflow_id type triggered_from version inputs status outputs error total_tokens "
        "created_by created_at finished_at",
        newer="sequence_number",
    ),
    _wanted(
        "workflow_node_executions",
        "id tenant_id app_id workflow_id triggered_from workflow_run_id index predecessor_node_id node_execution_id "
        "node_id node_type title inputs process_data outputs status error elapsed_time execution_metadata created_at "
        "finished_at",
    ),
    _wanted("workflow_node_execution_offload", "node_execution_id type", optional=True),
    _wanted(
        "dataset_retriever_resources",
        "message_id position dataset_id dataset_name document_id document_name segment_id score content created_at",
    ),
    _wanted(
        "message_feedbacks",
        "id app_id conversation_id message_id rating content from_source from_end_user_id from_account_id created_at "
        "updated_at",
    ),
    _wanted("message_annotations", "id app_id message_id question content account_id created_at updated_at"),
    _wanted("datasets", "id name"),
    _wanted(
        "documents",
        "id tenant_id dataset_id name created_at processing_started_at parsing_completed_at cleaning_completed_at "
        "splitting_completed_at completed_at is_paused paused_at stopped_at error indexing_status",
    ),
    _wanted(
        "workflow_trigger_logs",
        "id tenant_id app_id workflow_id workflow_run_id trigger_type trigger_data inputs status error retry_count "
        "created_at triggered_at finished_at",
        optional=True,
    ),
    _wanted(
        "human_input_forms",
        "id tenant_id app_id workflow_run_id form_kind node_id rendered_content status expiration_time "
        "selected_action_id submitted_data submitted_at submission_user_id submission_end_user_id created_at "
        "updated_at",
        optional=True,
    ),
)
"""In the order in which a person would explain them: who, what is set up, what happens, and what stands beside that."""


def missing(probe: Probe) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """By table, the columns that are there, that we read and that the role may not: those we need, and the others.

    Without the others something is left out (a name, a kind of fact), and the rest is read.
    """
    needed: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for wanted in WANTED:
        known = probe.columns.get(wanted.table, {})
        for name in wanted.every:
            if known.get(name) is False:
                found = needed if name in MUST_HAVE.get(wanted.table, ()) else others
                found.setdefault(wanted.table, []).append(name)
    return needed, others


def vanished(probe: Probe) -> dict[str, list[str]]:
    """By table, the columns that every Dify known to us has and this one has not; none: the table itself is gone."""
    found: dict[str, list[str]] = {}
    for wanted in WANTED:
        if not probe.has(wanted.table):
            found |= {} if wanted.optional else {wanted.table: []}
            continue
        gone = [name for name in wanted.columns if name not in probe.columns[wanted.table]]
        found |= {wanted.table: gone} if gone else {}
    return found


def identifier(name: str) -> str:
    """The name as SQL takes it for exactly that."""
    return name if _PLAIN.fullmatch(name) else '"{}"'.format(name.replace('"', '""'))


def grant(table: str, columns: Collection[str], role: str, width: int = _WIDTH) -> str:
    """One statement, folded."""
    names = [identifier(name) for name in columns]
    lines, line = [], f"GRANT SELECT ({names[0]}"
    for name in names[1:]:
        if len(line) + len(name) + 3 > width:
            lines.append(line + ",")
            line = " " * 14 + name
        else:
            line += f", {name}"
    end = f"ON {identifier(table)} TO {identifier(role)};"
    last = [f"{line}) {end}"] if len(line) + len(end) < width else [f"{line})", f"  {end}"]
    return "\n".join([*lines, *last])


def role_sql(
    there: Mapping[str, Collection[str]], role: str = DEFAULT_ROLE, *, database: str, schema: str = _PUBLIC
) -> str:
    """Everything that makes the role, for the tables of one Dify."""
    grants = [
        grant(wanted.table, columns, role)
        for wanted in WANTED
        if (columns := [name for name in wanted.every if name in there.get(wanted.table, ())])
    ]
    return "\n".join([*_settings(role, database, schema), "", *grants]) + "\n"


def portable(role: str = DEFAULT_ROLE, *, schema: str = _PUBLIC) -> str:
    """Everything that makes the role, for any Dify from 0.15 on: what some may lack is granted where it is there."""
    needed = [grant(table, columns, role) for table, columns in MUST_HAVE.items()]
    first, then = "-- What turns are told from.", "-- What stands beside them, where this Dify has it."
    parts = [*_settings(role, "", schema), "", first, *needed, "", then, *_where_there(role, schema)]
    return "\n".join(parts) + "\n"


def _settings(role: str, database: str, schema: str) -> Iterator[str]:
    name = identifier(role)
    yield f"CREATE ROLE {name} LOGIN PASSWORD 'change-me' CONNECTION LIMIT 3;"
    yield f"ALTER ROLE {name} SET default_transaction_read_only = on;"
    yield f"ALTER ROLE {name} SET statement_timeout = '30s';"
    yield f"ALTER ROLE {name} SET lock_timeout = '5s';"
    yield f"ALTER ROLE {name} SET idle_in_transaction_session_timeout = '60s';"
    if schema != _PUBLIC:
        yield f"ALTER ROLE {name} SET search_path = {identifier(schema)};"
        yield f"SET search_path = {identifier(schema)};"
    yield ""
    if database:
        yield f"GRANT CONNECT ON DATABASE {identifier(database)} TO {name};"
    yield f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {name};"


def _where_there(role: str, schema: str) -> Iterator[str]:
    """A block that grants, of each table, the columns that are there."""
    rows = []
    for each in WANTED:
        columns = [name for name in each.every if name not in MUST_HAVE.get(each.table, ())]
        if columns:
            folded = textwrap.wrap(" ".join(columns), _WIDTH - 20)
            rows.append(f"    ({_literal(each.table)},\n     {_literal((chr(10) + ' ' * 6).join(folded))})")
    yield "DO $$"
    yield "DECLARE wanted record; present text;"
    yield "BEGIN"
    yield "  FOR wanted IN SELECT * FROM (VALUES"
    yield ",\n".join(rows)
    yield "  ) AS optional (in_table, in_columns) LOOP"
    yield "    SELECT string_agg(quote_ident(attname), ', ') INTO present FROM pg_attribute"
    yield f"      WHERE attrelid = to_regclass(format('%I.%I', {_literal(schema)}, wanted.in_table))"
    yield "        AND attnum > 0 AND NOT attisdropped"
    yield r"        AND attname = ANY (regexp_split_to_array(wanted.in_columns, '\s+'));"
    yield "    IF present IS NOT NULL THEN"
    yield "      EXECUTE format('GRANT SELECT (%s) ON %I.%I TO %I',"
    yield f"                     present, {_literal(schema)}, wanted.in_table, {_literal(role)});"
    yield "    END IF;"
    yield "  END LOOP;"
    yield "END $$;"


def _literal(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))
