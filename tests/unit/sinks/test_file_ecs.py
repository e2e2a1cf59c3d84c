from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import invariant
from pydantic import ValidationError

from monitor.clock import SystemClock
from monitor.errors import Auth
from monitor.model import Alert, AlertChanged, Event, Recorded, SourceGap, StepEnded, kind_of
from monitor.normalise.document_fields import CONTENT
from monitor.normalise.documents import document_of
from monitor.ports import Tools
from monitor.sinks import file
from monitor.sinks.file_ecs import MARK, EcsLines, is_cut
from monitor.sinks.file_writer import Writer
from monitor.testing import samples, strategies
from monitor.testing.laws import WordKeeper, hostile
from tests.unit.noted import NOTES, any_recorded, note
from tests.unit.sinks.test_file import Crashes

KIB = 1024
COMMON = {"service.name": "dify"}


def made(path, **fields):
    words = WordKeeper()
    tools = Tools(clock=SystemClock(), logger=words, pseudonym=str)
    sink = file.build(file.Config(type="file", format="ecs", path=str(path), **fields), tools)
    sink.words = words
    return sink


@pytest.fixture
def path(tmp_path):
    return tmp_path / "facts.ndjson"


def first(path):
    return path.with_name(f"{path.name}.1")


def alert(labels: dict[str, str] | None = None) -> Recorded:
    raised = Alert("f", "five failures", labels or {"tool": "t"}, "critical", "s", "firing", samples.BASE_NS, 1, 5.0)
    body = AlertChanged(raised, "pending", "firing", "held_for")
    return Recorded(9, 0, "rules", 1, Event("alert:f:1", 40, samples.BASE_NS, samples.BASE_NS, body))


def facts() -> list[Recorded]:
    """One of every kind that there is a document of, and more."""
    gap = samples.recorded(SourceGap(what="messages", reason="unreadable"))
    return [*samples.agent_turn(failed=True)[1:], *map(note, NOTES), alert(), gap]


@pytest.mark.parametrize("recorded", facts(), ids=lambda each: kind_of(each.event.body))
def test_a_line_is_the_document_that_elasticsearch_would_get(path, recorded):
    sink = made(path, content="full", prefix="shop", labels={"site": "berlin"}, deployment_environment="live")
    assert kind_of(recorded.event.body) in sink.kinds
    part = sink.encode(recorded)
    assert (part.count(b"\n"), part[-1:]) == (1, b"\n")
    line = json.loads(part)
    assert list(line)[:2] == ["@timestamp", "@metadata"]
    where = line.pop("@metadata")
    common = {"service.name": "dify", "service.environment": "live", "labels": {"site": "berlin"}}
    document = document_of(recorded, recorded.event.content, common)
    assert line == document.source
    assert where == {
        "_id": document.id,
        "raw_index": f"shop-{document.stream}-{document.month}",
        "op_type": "index",
        "_version": document.version,
    }


def test_a_provisional_step_waits_here_too(path):
    step = samples.tool_step(provisional=True)
    assert made(path).encode(samples.recorded(StepEnded(turn=samples.turn_ref(), step=step))) == b""


@given(st.one_of(any_recorded, strategies.recordeds), strategies.contents, st.integers(2 * KIB, 8 * KIB))
def test_a_line_keeps_its_bound_and_is_json(recorded, content, bound):
    """Whatever people wrote; what stays is how the text began, and everything else is as it was."""
    whole = EcsLines("dify", COMMON, 1 << 30).encode(recorded, content)
    line = EcsLines("dify", COMMON, bound).encode(recorded, content)
    if len(whole) <= bound:
        assert line == whole
        return
    bare = EcsLines("dify", COMMON, 1 << 30).encode(recorded, dict.fromkeys(content, ""))
    if len(bare) <= bound - KIB // 2:
        assert len(line) <= bound
    assert_cut(json.loads(whole), json.loads(line))


def assert_cut(whole, cut):
    assert cut["@metadata"].pop("truncated") is True
    named = cut["dify"]["content"].pop("truncated")
    for name in CONTENT:
        before, after = taken(whole, name), taken(cut, name)
        assert (after == before) == (name not in named.split(","))
        assert after in {before, ""} or (after.endswith(MARK) and before.startswith(after.removesuffix(MARK)))
    for each in (whole, cut):
        each.get("dify", {}).get("content", {}).pop("truncated", None)
        if each.get("dify", {}).get("content") == {}:
            del each["dify"]["content"]
    assert cut == whole


def taken(source, name):
    """The field's text, taken out; None where there is none."""
    *parents, last = name.split(".")
    for parent in parents:
        source = source.get(parent, {})
    return source.pop(last, None) if isinstance(source, dict) else None


def test_the_longest_texts_are_cut_first(path):
    content = {"input": "q" * 10, "output": "长\n" * 100_000, "process": "x" * 90_000}
    step = samples.recorded(StepEnded(turn=samples.chatflow_ref(), step=samples.node_step()), content=content)
    line = json.loads(made(path, content="full", max_line_bytes=128 * KIB).encode(step))
    assert line["dify"]["content"]["truncated"] == "dify.node.outputs,dify.node.process_data"
    assert line["dify"]["node"]["inputs"] == content["input"]
    kept = [
        len(json.dumps(line["dify"]["node"][each], ensure_ascii=False).encode()) for each in ("outputs", "process_data")
    ]
    assert kept[0] == pytest.approx(kept[1], abs=3)
    assert 126 * KIB < sum(kept) < 128 * KIB


def test_what_dify_cut_stays_named(path):
    step = samples.node_step(truncated=("input",))
    content = {"input": "q", "output": "y" * 100_000}
    recorded = samples.recorded(StepEnded(turn=samples.chatflow_ref(), step=step), content=content)
    line = json.loads(made(path, content="full", max_line_bytes=64 * KIB).encode(recorded))
    assert line["dify"]["content"]["truncated"] == "input,dify.node.outputs"


def test_what_was_cut_is_told_and_what_can_t_be_is_refused(path):
    """A line that is too long without content is parked, and those around it are written."""
    sink = made(path, content="full", max_line_bytes=64 * KIB)
    texts = [{}, {"output": "y" * 100_000}, {"output": '"truncated":true'}]
    events = [samples.recorded(samples.turn_ended(), seq=seq, content=content) for seq, content in enumerate(texts)]
    huge = alert({"tool": "t" * 70_000})
    parts = [sink.encode(each) for each in (*events, huge)]
    assert [is_cut(part) for part in parts[:3]] == [False, True, False]
    report = sink.send(parts, range(4))
    sink.close()
    (refused,) = report.rejected
    assert (report.accepted, refused.seq, refused.reason) == (3, 3, "too_large")
    assert first(path).read_bytes() == b"".join(parts[:3])
    assert json.loads(report.state)["size"] == first(path).stat().st_size
    assert [(word, said["lines"]) for word, said in sink.words.said] == [("lines_cut", 1)]


def test_facts_at_the_edges_are_lines_of_json(path):
    sink = made(path, content="full")
    for each in hostile():
        part = sink.encode(each)
        assert len(part) <= 8 * KIB * KIB
        assert json.loads(part)["@metadata"]["_id"] == each.event.key


@pytest.mark.parametrize("setting", [{"prefix": "shop"}, {"labels": {"a": "b"}}, {"max_line_bytes": "1MiB"}])
def test_a_setting_of_ecs_alone_is_refused_elsewhere(path, setting):
    with pytest.raises(ValidationError, match="only with format: ecs"):
        file.Config(type="file", path=str(path), **setting)


@pytest.mark.parametrize(("group_may_read", "mode"), [(True, 0o640), (False, 0o600)])
def test_a_group_may_read_when_it_is_said(path, group_may_read, mode):
    """Whatever the umask of the process."""
    before = os.umask(0o077)
    try:
        sink = made(path, group_may_read=group_may_read)
        sink.check()
        sink.close()
    finally:
        os.umask(before)
    assert first(path).stat().st_mode & 0o777 == mode


# --- files that are never renamed


def numbered(path, **fields):
    return Writer(str(path), **({"rotate_bytes": 8, "keep": 0, "fsync": False, "renames": False} | fields))


def contents(path) -> dict[str, bytes]:
    return {each.name.removeprefix(path.name): each.read_bytes() for each in path.parent.iterdir()}


def test_a_file_keeps_its_name_and_its_inode(path):
    """So who follows it by its name never reads one file for another."""
    writer, inodes = numbered(path, fsync=True), {}
    for line in (b"one\n", b"two\n", b"three\n", b"four\n"):
        writer.append(line)
        for each in path.parent.iterdir():
            assert inodes.setdefault(each.name, each.stat().st_ino) == each.stat().st_ino
    writer.close()
    assert contents(path) == {".1": b"one\ntwo\n", ".2": b"three\n", ".3": b"four\n"}


def test_the_old_ones_are_kept_to_their_number_besides_the_present_one(path):
    writer = numbered(path, keep=2)
    for number in range(12):
        writer.append(b"line %d\n" % number)
    writer.close()
    assert sorted(contents(path)) == [".10", ".11", ".12"]


def test_the_next_start_goes_on_in_the_highest_file(path):
    state = ""
    for line in (b"one\n", b"two\n", b"three\n"):
        writer = numbered(path)
        writer.resume(state)
        state = writer.append(line)
        writer.close()
    assert contents(path) == {".1": b"one\ntwo\n", ".2": b"three\n"}


@pytest.mark.parametrize("left", [None, b"", b"thr", b"three\n"])
def test_a_crash_around_a_new_file_leaves_no_line_twice(path, left):
    """Before it was made, after, within a line, and after the batch that was not committed."""
    writer = numbered(path)
    state = writer.append(b"one\ntwo\n")
    writer.close()
    if left is not None:
        path.with_name(f"{path.name}.2").write_bytes(left)
    writer = numbered(path)
    writer.resume(state)
    writer.append(b"three\n")
    writer.close()
    assert contents(path) == {".1": b"one\ntwo\n", ".2": b"three\n"}


def test_a_second_writer_is_refused_after_a_new_file_too(path):
    writer, second = numbered(path), numbered(path)
    for line in (b"one\ntwo\n", b"three\n"):
        writer.append(line)
        with pytest.raises(Auth, match="another writer"):
            second.append(b"four\n")
    writer.close()


class NumberedCrashes(Crashes):
    """The same machine that the renamed files are held to."""

    def start(self):
        self.writer = numbered(self.base, rotate_bytes=40)
        if self.committed:
            self.writer.resume(self.committed)
        self.ahead = 0

    @property
    def path(self):
        """The present file, where there is one; else what its name begins with."""
        return max(self.base.parent.glob("spans.jsonl.*"), key=lambda each: int(each.suffix[1:]), default=self.base)

    @path.setter
    def path(self, base):
        self.base = base

    @invariant()
    def every_line_is_there_once(self):
        files = sorted(self.base.parent.glob("spans.jsonl.*"), key=lambda each: int(each.suffix[1:]))
        assert b"".join(each.read_bytes() for each in files) == b"".join(
            b"line %d\n" % at for at in range(self.done + self.ahead)
        )


TestNumberedCrashes = NumberedCrashes.TestCase
