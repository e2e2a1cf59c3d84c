from __future__ import annotations

import base64
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from google.protobuf.json_format import Parse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from monitor.clock import SystemClock
from monitor.errors import Auth, Retryable
from monitor.model import StepEnded, kind_of
from monitor.normalise.note_spans import note_record
from monitor.normalise.spans import spans_of
from monitor.ports import Tools
from monitor.sinks import file
from monitor.sinks.file_lines import Lines
from monitor.sinks.file_writer import Writer, error_of
from monitor.sinks.otlp_encoding import Encoder
from monitor.testing import samples, strategies
from monitor.testing.laws import WordKeeper
from tests.unit.noted import NOTES, any_recorded, note

RESOURCE = {"service.name": "dify", "deployment.environment.name": "test"}
TOOLS = Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spans.jsonl"


@pytest.fixture
def write(path):
    """Makes writers for `path`, small files by default; `write.again(state)` is what a restart does."""

    class Make:
        def __init__(self):
            self.made = []

        def __call__(self, **fields):
            self.made.append(Writer(str(path), **({"rotate_bytes": 10**9, "keep": 10, "fsync": False} | fields)))
            return self.made[-1]

        def again(self, state, **fields):
            self.made[-1].close()
            self(**fields).resume(state)
            return self.made[-1]

    make = Make()
    yield make
    for writer in make.made:
        writer.close()


# --- lines


@given(strategies.recordeds, strategies.contents)
def test_a_line_is_the_same_span_as_the_protobuf(recorded, content):
    """Read by protobuf's own JSON reader, after its base64 ids are made of OTLP's hex."""
    span = spans_of(recorded, content)
    if span is None:
        return
    line = json.loads(Lines(RESOURCE).encode(span))
    (found,) = line["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for name in ("traceId", "spanId", "parentSpanId"):
        if name in found:
            found[name] = base64.b64encode(bytes.fromhex(found[name])).decode()
    expected = ExportTraceServiceRequest.FromString(Encoder(RESOURCE).encode(span))
    assert Parse(json.dumps(line), ExportTraceServiceRequest()) == expected


def test_a_line_is_otlp_json_to_the_letter():
    span = spans_of(samples.agent_turn(5, failed=True)[2], {"error": "失败\n"})
    text = Lines(RESOURCE).encode(span).decode()
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    found = json.loads(text)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert (found["traceId"], found["spanId"], found["parentSpanId"]) == (span.trace_id, span.span_id, span.parent_id)
    assert (found["kind"], found["status"]) == (1, {"code": 2, "message": "失败\n"})
    assert (found["startTimeUnixNano"], found["endTimeUnixNano"]) == (str(span.start_ns), str(span.end_ns))
    assert {"key": "error.type", "value": {"stringValue": "tool_invoke_error"}} in found["attributes"]


def test_the_same_span_gives_the_same_line():
    for recorded in samples.stream(3):
        span = spans_of(recorded, recorded.event.content)
        if span is not None:
            assert Lines(RESOURCE).encode(span) == Lines(dict(RESOURCE)).encode(span)


@given(any_recorded, strategies.contents)
def test_a_record_s_line_is_the_same_record_as_protobuf_reads(fact, content):
    """OTLP/JSON as OpenTelemetry's own reader has it, whatever Dify's rows say."""
    record = note_record(fact, content)
    if record is None:
        return
    text = Lines(RESOURCE).encode_record(record).decode()
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    line = json.loads(text)
    (found,) = line["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    for name in ("traceId", "spanId"):
        if name in found:
            found[name] = base64.b64encode(bytes.fromhex(found[name])).decode()
    read = Parse(json.dumps(line), ExportLogsServiceRequest()).resource_logs[0].scope_logs[0].log_records[0]
    assert (read.time_unix_nano, read.event_name) == (record.at, record.name)
    assert (read.trace_id.hex(), read.span_id.hex()) == (record.trace_id, record.span_id)
    assert SeverityNumber.Name(read.severity_number) == f"SEVERITY_NUMBER_{read.severity_text}"
    values = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in read.attributes}
    assert values == record.attributes


# --- the sink


def made(path, **fields):
    return file.build(file.Config(type="file", path=str(path), **fields), TOOLS)


def test_a_provisional_step_waits_for_its_revision(path):
    step = samples.tool_step(provisional=True)
    sink = made(path)
    assert sink.encode(samples.recorded(StepEnded(turn=samples.turn_ref(), step=step))) == b""
    final = msgspec.structs.replace(step, provisional=False)
    assert sink.encode(samples.recorded(StepEnded(turn=samples.turn_ref(), step=final)))


@pytest.mark.parametrize(("policy", "shown"), [("none", set()), ("redacted", {"[email]"}), ("full", {"a@b.com"})])
def test_content_is_written_as_the_policy_says(path, policy, shown):
    sink = made(path, content=policy)
    part = sink.encode(samples.recorded(samples.turn_ended(), content={"output": "write to a@b.com"}))
    assert {word for word in ("[email]", "a@b.com") if word.encode() in part} == shown
    assert sink.wants_content is (policy != "none")


def test_building_touches_nothing(tmp_path):
    made(tmp_path / "a" / "b" / "spans.jsonl").close()
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_read_it(tmp_path):
    sink = made(tmp_path / "a" / "b" / "spans.jsonl")
    sink.check()
    sink.close()
    assert (tmp_path / "a" / "b" / "spans.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_resource_is_as_configured(path):
    sink = made(path, service_name="dify-eu", deployment_environment="production", fsync=False)
    events = samples.agent_turn()
    sink.send([sink.encode(event) for event in events], range(len(events)))
    sink.close()
    for line in path.read_text().splitlines():
        (described,) = json.loads(line)["resourceSpans"]
        assert [each["value"]["stringValue"] for each in described["resource"]["attributes"]] == [
            "dify-eu",
            "production",
        ]


@pytest.mark.parametrize("body", NOTES, ids=kind_of)
def test_every_fact_beside_the_turns_is_one_line(path, body):
    """A span where a trace is the place to see it, else a log record."""
    sink = made(path)
    assert kind_of(body) in sink.kinds
    (line,) = sink.encode(note(body)).splitlines()
    assert set(json.loads(line)) < {"resourceSpans", "resourceLogs"}


def test_a_line_for_traces_and_one_for_logs_have_the_same_resource(path):
    sink = made(path, service_name="dify-eu")
    lines = [json.loads(sink.encode(note(body))) for body in NOTES]
    resources = [next(iter(line.values()))[0]["resource"] for line in lines]
    assert {next(iter(line)) for line in lines} == {"resourceSpans", "resourceLogs"}
    assert all(resource == resources[0] for resource in resources)


# --- crashes


def test_what_was_not_committed_is_cut_off_and_comes_again(write, path):
    state = write().append(b"one\n")
    write.made[-1].append(b"two\n")
    again = write.again(state)
    assert path.read_bytes() == b"one\n"
    again.append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_committed_state_cuts_nothing(write, path):
    state = write().append(b"one\n")
    write.again(state)
    assert path.read_bytes() == b"one\n"


def test_half_a_batch_of_the_first_start_does_not_swallow_the_next_line(write, path):
    path.write_bytes(b"one\nhal")
    write().append(b"two\n")
    assert path.read_bytes() == b"one\nhal\ntwo\n"


@pytest.mark.parametrize("state", ["", "nonsense", "{}", '{"file":"/other","inode":1,"size":0}'])
def test_without_a_state_of_its_own_a_file_is_left_as_it_is(write, path, state):
    path.write_bytes(b"somebody's\n")
    write().resume(state)
    assert path.read_bytes() == b"somebody's\n"


def test_a_file_that_was_shortened_is_left_as_it_is(write, path):
    state = write().append(b"one\ntwo\n")
    os.truncate(path, 4)
    write.again(state).append(b"three\n")
    assert path.read_bytes() == b"one\nthree\n"


def test_a_file_that_somebody_put_there_is_left_as_it_is(write, path, tmp_path):
    state = write().append(b"one\n")
    (tmp_path / "new").write_bytes(b"somebody's, and longer\n")
    (tmp_path / "new").rename(path)
    write.again(state)
    assert path.read_bytes() == b"somebody's, and longer\n"


def test_a_file_whose_lines_are_others_is_left_as_it_is(write, path):
    """The recorded end is within a line: this is not what was written."""
    state = write().append(b"one\n")
    path.write_bytes(b"something else\n")
    write.again(state)
    assert path.read_bytes() == b"something else\n"


def test_a_file_that_is_gone_is_begun_anew(write, path):
    state = write().append(b"one\n")
    path.unlink()
    write.again(state).append(b"two\n")
    assert path.read_bytes() == b"two\n"


def test_a_file_moved_away_while_in_use_is_begun_anew(write, path, tmp_path):
    writer = write()
    writer.append(b"one\n")
    path.rename(tmp_path / "moved")
    writer.append(b"two\n")
    assert (tmp_path / "moved").read_bytes() == b"one\n"
    assert path.read_bytes() == b"two\n"


def test_a_file_shortened_while_in_use_goes_on(write, path):
    writer = write()
    writer.append(b"one\n")
    os.truncate(path, 0)
    state = writer.append(b"two\n")
    assert path.read_bytes() == b"two\n"
    assert json.loads(state)["size"] == 4


# --- rotation


def names(path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_a_full_file_is_put_aside_whole(write, path):
    writer = write(rotate_bytes=10)
    for line in (b"one\n", b"two\n", b"three\n", b"longer than a file\n", b"four\n"):
        writer.append(line)
    assert names(path) == ["spans.jsonl", "spans.jsonl.1", "spans.jsonl.2", "spans.jsonl.3"]
    files = [path.with_name(f"spans.jsonl.{number}").read_bytes() for number in (1, 2, 3)]
    assert files == [b"one\ntwo\n", b"three\n", b"longer than a file\n"]
    assert path.read_bytes() == b"four\n"


@pytest.mark.parametrize(("keep", "kept"), [(1, ["6"]), (3, ["4", "5", "6"]), (0, ["1", "2", "3", "4", "5", "6"])])
def test_old_files_are_kept_to_their_number(write, path, keep, kept):
    writer = write(rotate_bytes=4, keep=keep)
    (path.parent / "spans.jsonl.txt").touch()
    for _ in range(7):
        writer.append(b"one\n")
    assert names(path) == ["spans.jsonl", *(f"spans.jsonl.{number}" for number in kept), "spans.jsonl.txt"]


def test_numbers_go_on_beyond_nine(write, path):
    (path.parent / "spans.jsonl.9").write_bytes(b"old\n")
    (path.parent / "spans.jsonl.10").write_bytes(b"old\n")
    writer = write(rotate_bytes=4)
    writer.append(b"one\n")
    writer.append(b"two\n")
    assert (path.parent / "spans.jsonl.11").read_bytes() == b"one\n"


def test_a_crash_after_a_rotation_leaves_no_line_twice(write, path):
    """The committed end lies in the file that was put aside, so all of the new one comes again."""
    state = write(rotate_bytes=8).append(b"one\ntwo\n")
    write.made[-1].append(b"three\n")
    again = write.again(state, rotate_bytes=8)
    assert path.read_bytes() == b""
    again.append(b"three\n")
    assert path.read_bytes() == b"three\n"
    assert path.with_name("spans.jsonl.1").read_bytes() == b"one\ntwo\n"


def test_a_crash_within_a_rotation_leaves_no_line_twice(write, path):
    state = write(rotate_bytes=8).append(b"one\ntwo\n")
    path.rename(f"{path}.1")
    write.again(state, rotate_bytes=8).append(b"three\n")
    assert path.read_bytes() == b"three\n"


def test_a_name_with_a_pattern_s_letters_is_a_name(tmp_path):
    (tmp_path / "a1.5").write_bytes(b"not ours")
    writer = Writer(str(tmp_path / "a[1]*?"), rotate_bytes=4, keep=1, fsync=False)
    for _ in range(3):
        writer.append(b"one\n")
    writer.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a1.5", "a[1]*?", "a[1]*?.2"]


class Crashes(RuleBasedStateMachine):
    """Batches are written, committed or not, with crashes between any two steps: each line ends up there once."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "spans.jsonl"
        self.committed, self.done, self.sent = "", 0, ""
        self.ahead = 0
        self.start()

    def start(self):
        self.writer = Writer(str(self.path), rotate_bytes=40, keep=0, fsync=False)
        if self.committed:
            self.writer.resume(self.committed)
        self.ahead = 0

    @precondition(lambda self: not self.ahead)
    @rule(count=st.integers(0, 8))
    def send(self, count):
        batch = b"".join(b"line %d\n" % (self.done + at) for at in range(count))
        self.sent, self.ahead = self.writer.append(batch), count

    @precondition(lambda self: self.sent)
    @rule()
    def commit(self):
        self.committed, self.done = self.sent, self.done + self.ahead
        self.sent, self.ahead = "", 0

    @precondition(lambda self: self.committed)
    @rule()
    def crash(self):
        self.writer.close()
        self.sent = ""
        self.start()

    @precondition(lambda self: self.committed)
    @rule(cut=st.integers(1, 6))
    def crash_within_a_write(self, cut):
        """A kill in the middle of a write leaves half of it."""
        self.writer.close()
        with self.path.open("ab") as half:
            half.write(b"line 999"[:cut])
        self.sent = ""
        self.start()

    @invariant()
    def every_line_is_there_once(self):
        files = sorted(self.path.parent.glob("spans.jsonl.*"), key=lambda each: int(each.suffix[1:]))
        whole = b"".join(each.read_bytes() for each in [*files, self.path] if each.exists())
        assert whole == b"".join(b"line %d\n" % at for at in range(self.done + self.ahead))

    def teardown(self):
        self.writer.close()
        self.folder.cleanup()


TestCrashes = Crashes.TestCase


KILLED = """
import sys
from monitor.sinks.file_writer import Writer
writer = Writer(sys.argv[1], rotate_bytes=10**9, keep=1, fsync=False)
batch = (b"x" * 1000 + b"\\n") * 2000
print(writer.append(b"committed\\n"), flush=True)
while True:
    writer.append(batch)
"""


def test_a_kill_at_any_moment_leaves_what_resume_can_mend(write, path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    with process:
        state = process.stdout.readline()
        pause = threading.Event()
        for _ in range(3000):
            if path.stat().st_size >= 5_000_000:
                break
            pause.wait(0.01)
        process.send_signal(signal.SIGKILL)
    write().resume(state)
    assert path.read_bytes() == b"committed\n"


# --- what the system refuses


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Files can't grow beyond that size: the write that crosses it is a short one, the next an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_batch(write, path):
    writer = write()
    state = writer.append(b"one\n")
    with full_disk(10_000), pytest.raises(Retryable) as caught:
        writer.append(b"x" * 50_000 + b"\n")
    assert caught.value.reason == "disk"
    assert path.read_bytes() == b"one\n"
    assert writer.append(b"") == state
    assert json.loads(writer.append(b"two\n"))["size"] == 8
    assert path.read_bytes() == b"one\ntwo\n"


def test_what_could_not_be_cut_off_at_once_is_cut_off_later(write, path):
    """A broken batch at the end, as a crash of the disk would leave it, is gone before the next write."""
    writer = write()
    writer.append(b"one\n")
    with path.open("ab") as broken:
        broken.write(b"hal")
    writer.append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_folder_at_the_path_is_a_matter_of_configuration(write, path):
    path.mkdir()
    with pytest.raises(Auth, match=r"spans\.jsonl"):
        write().append(b"one\n")


def test_a_file_where_a_folder_should_be_is_a_matter_of_configuration(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises((Auth, Retryable)):
        Writer(str(tmp_path / "a" / "b"), rotate_bytes=10, keep=1, fsync=False).check()


def test_what_is_no_plain_file_is_refused(write, path):
    os.mkfifo(path)
    for call in (write().check, lambda: write().append(b"one\n")):
        with pytest.raises(Auth, match="not a regular file"):
            call()


def test_a_second_writer_is_refused(write, path):
    write().append(b"one\n")
    with pytest.raises(Auth, match="another writer"):
        write().append(b"two\n")
    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EMFILE])
def test_what_time_may_heal_is_retryable(code):
    found = error_of(OSError(code, os.strerror(code)), Path("/x"))
    assert (type(found), found.reason) == (Retryable, "disk")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP])
def test_what_somebody_must_change_is_auth(code):
    assert type(error_of(OSError(code, os.strerror(code)), Path("/x"))) is Auth


def test_fsync_is_waited_for_when_asked(write, path):
    state = write(fsync=True, rotate_bytes=4).append(b"one\n")
    write.made[-1].append(b"two\n")
    assert json.loads(state)["size"] == 4
    assert path.read_bytes() == b"two\n"
