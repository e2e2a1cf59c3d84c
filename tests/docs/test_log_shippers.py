"""The examples for log shippers speak of what the file sink's lines have. rsyslog's is run for real elsewhere."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from monitor.clock import SystemClock
from monitor.model import kind_of
from monitor.ports import Tools
from monitor.sinks import file
from monitor.testing import samples
from monitor.testing.laws import WordKeeper
from tests.docs.pages import ROOT, blocks
from tests.unit.noted import NOTES, note

FOLDER = ROOT / "docs/examples"
FILEBEAT, LOGSTASH, RSYSLOG = (
    (FOLDER / name).read_text()
    for name in ("filebeat/filebeat.yml", "logstash/dify-monitor.conf", "rsyslog/rsyslog-dify.conf")
)
CONFIG = file.Config(type="file", path="facts.ndjson", format="ecs")


@pytest.fixture(scope="module")
def lines():
    sink = file.build(CONFIG, Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str))
    facts = [*samples.agent_turn(failed=True), *map(note, NOTES)]
    return [part for each in facts if kind_of(each.event.body) in sink.kinds and (part := sink.encode(each))]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [(LOGSTASH, r"\[@metadata\]\[(\w+)\]"), (RSYSLOG, r"\$!@metadata!(\w+)"), (FILEBEAT, r"`(_id|raw_index|op_type)")],
)
def test_what_an_example_takes_of_a_line_is_there(lines, text, pattern):
    named = set(re.findall(pattern, text))
    assert len(named) == 3
    assert all(named <= json.loads(line)["@metadata"].keys() for line in lines)


def test_all_look_for_the_same_files():
    (path,) = {each["path"] for block in blocks("yaml") for each in _sinks(block.text) if each.get("format") == "ecs"}
    assert all(f'"{path}.*"' in text for text in (FILEBEAT, LOGSTASH, RSYSLOG))


def _sinks(text):
    data = yaml.safe_load(text)
    return data.get("sinks", ()) if isinstance(data, dict) else ()


def test_filebeat_takes_whole_lines_and_tells_files_apart(lines):
    (source,) = yaml.safe_load(FILEBEAT)["filebeat.inputs"]
    assert source["message_max_bytes"] > CONFIG.max_line_bytes
    length = source["prospector.scanner.fingerprint"]["length"]
    assert len({line[:length] for line in lines}) == len(lines)
    assert all(len(line) > length for line in lines)


def test_rsyslog_takes_whole_lines():
    (mebibytes,) = re.findall(r'maxMessageSize="(\d+)m"', RSYSLOG)
    assert int(mebibytes) * 1024 * 1024 > CONFIG.max_line_bytes


def test_logstash_s_braces_close():
    bare = re.sub(r'#.*|"[^"\n]*"', "", LOGSTASH)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
