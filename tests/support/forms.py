"""The table of Dify 1.13 in which people's answers are awaited: no recorded schema has it yet."""

from __future__ import annotations

__all__ = ["FORMS"]

FORMS = """
CREATE TABLE human_input_forms (
  id uuid PRIMARY KEY, tenant_id uuid NOT NULL, app_id uuid NOT NULL, workflow_run_id uuid, form_kind varchar(20) NOT NULL,
  node_id varchar(60) NOT NULL, form_definition text NOT NULL, rendered_content text NOT NULL, status varchar(20) NOT NULL,
  expiration_time timestamp NOT NULL, selected_action_id varchar(200), submitted_data text, submitted_at timestamp,
  submission_user_id uuid, submission_end_user_id uuid, completed_by_recipient_id uuid, created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL);
CREATE INDEX human_input_forms_run_idx ON human_input_forms (workflow_run_id, node_id);
CREATE TABLE human_input_form_recipients (id uuid PRIMARY KEY, access_token varchar(32))
"""
