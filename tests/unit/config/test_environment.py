from __future__ import annotations

import pytest

from monitor.config.environment import Overlay, misspelt, variables


def overlaid(environ, data=None):
    overlay = Overlay(environ)
    return overlay.onto(data or {}), [str(problem) for problem in overlay.problems]


def test_every_setting_has_a_variable_of_its_own():
    known = variables()
    assert len({variable.name for variable in known}) == len(known)
    by_name = {variable.name: variable for variable in known}
    assert by_name["MONITOR_JOURNAL__MAX_BYTES"].path == ("journal", "max_bytes")
    assert by_name["MONITOR_RULES__MAX_AGE"].path == ("rules", "max_age")
    assert by_name["MONITOR_SOURCES"].is_json
    assert not by_name["MONITOR_PSEUDONYM_KEY"].is_json
    assert by_name["MONITOR_JOURNAL"].is_json


def test_no_variable_of_ours_can_be_one_that_kubernetes_injects():
    """A Kubernetes service called monitor-<anything> sets ..._SERVICE_HOST, ..._PORT, ..._PORT_9464_TCP and so on."""
    for variable in variables():
        assert not variable.name.endswith(("_HOST", "_PORT", "_ADDR", "_PROTO", "_TCP", "_UDP"))


def test_the_environment_beats_the_file_setting_by_setting():
    data = {"journal": {"path": "a", "max_bytes": "1GB"}}
    merged, _ = overlaid({"MONITOR_JOURNAL__PATH": "b", "MONITOR_LOG__LEVEL": "debug"}, data)
    assert merged == {"journal": {"path": "b", "max_bytes": "1GB"}, "log": {"level": "debug"}}
    assert data["journal"]["path"] == "a"


def test_lists_and_sections_are_json_and_replace_the_files():
    environ = {
        "MONITOR_SOURCES": '[{"type":"dify_database","url":"x"}]',
        "MONITOR_JOURNAL": '{"path":"j"}',
        "MONITOR_JOURNAL__MAX_BYTES": "1GB",
    }
    merged, problems = overlaid(environ, {"sources": [{"type": "old"}], "journal": {"min_free_bytes": 1}})
    assert merged["sources"] == [{"type": "dify_database", "url": "x"}]
    assert merged["journal"] == {"path": "j", "max_bytes": "1GB"}
    assert problems == []


def test_null_and_nothing():
    """`null` switches an optional setting off; an empty variable is one that is not set."""
    merged, problems = overlaid({"MONITOR_SERVER__LISTEN": "null", "MONITOR_JOURNAL__PATH": "", "MONITOR_SINKS": ""})
    assert merged == {"server": {"listen": None}}
    assert problems == []


def test_each_variable_may_name_a_file_instead(tmp_path):
    (tmp_path / "key").write_text("0123456789abcdef\n")
    (tmp_path / "sinks").write_text('[{"type": "file"}]')
    environ = {"MONITOR_PSEUDONYM_KEY_FILE": str(tmp_path / "key"), "MONITOR_SINKS_FILE": str(tmp_path / "sinks")}
    assert overlaid(environ) == ({"pseudonym_key": "0123456789abcdef", "sinks": [{"type": "file"}]}, [])


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"MONITOR_JOURNAL__PAHT": "x"},
            "MONITOR_JOURNAL__PAHT: there is no such setting. Did you mean MONITOR_JOURNAL__PATH?",
        ),
        ({"MONITOR_SINKS__0__TYPE": "x"}, "MONITOR_SINKS__0__TYPE: there is no such setting."),
        (
            {"MONITOR_RULES__PATHS": "a.yaml"},
            'MONITOR_RULES__PATHS: is not JSON: Expecting value at character 1. Write it like ["rules/*.yaml"].',
        ),
        ({"MONITOR_SOURCES": '[{"a":1,"a":2}]'}, "MONITOR_SOURCES: is not JSON: a name is given twice."),
        ({"MONITOR_JOURNAL": "{"}, 'Write it like {"name": "value"}.'),
        (
            {"MONITOR_PSEUDONYM_KEY_FILE": "/nowhere"},
            "MONITOR_PSEUDONYM_KEY_FILE: the file /nowhere can't be read: No such file or directory",
        ),
        (
            {"MONITOR_PSEUDONYM_KEY": "x" * 16, "MONITOR_PSEUDONYM_KEY_FILE": "/nowhere"},
            "MONITOR_PSEUDONYM_KEY_FILE: is set beside MONITOR_PSEUDONYM_KEY. Set one of them.",
        ),
    ],
)
def test_mistakes_name_the_variable(environ, said):
    _, problems = overlaid(environ)
    assert len(problems) == 1
    assert said in problems[0]


def test_json_that_can_not_be_read_is_never_quoted():
    (problem,) = Overlay({"MONITOR_SOURCES": '[{"url": "postgres://u:hunter2@h"'}).problems
    assert "hunter2" not in str(problem)
    assert problem.__cause__ is None


def test_what_others_set_is_left_alone():
    environ = {
        "MONITOR_PORT": "tcp://10.0.0.1:9464",
        "MONITOR_SERVICE_HOST": "10.0.0.1",
        "MONITOR_CONFIG": "x",
        "PATH": "/",
    }
    assert overlaid(environ) == ({}, [])
    assert misspelt(environ) == []


def test_a_single_underscore_is_ignored_but_not_silently():
    environ = {"MONITOR_JOURNAL_PATH": "x", "MONITOR_JOURNAL__PATH": "y", "MONITOR_SERVICE_PORT": "1"}
    assert misspelt(environ) == ["MONITOR_JOURNAL_PATH is ignored: did you mean MONITOR_JOURNAL__PATH?"]


def test_a_section_that_is_no_mapping_is_left_for_the_validation():
    assert overlaid({"MONITOR_JOURNAL__PATH": "x"}, {"journal": 5})[0] == {"journal": 5}
