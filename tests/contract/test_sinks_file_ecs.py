"""The file sink's lines for log shippers under the laws of every sink."""

from __future__ import annotations

import json

import pytest

from monitor.clock import SystemClock
from monitor.ports import Tools
from monitor.sinks import file
from monitor.testing.laws import SinkCase, SinkLaws, WordKeeper


def span_ids(payload: bytes) -> list[str]:
    return [json.loads(line)["span"]["id"] for line in payload.splitlines()]


@pytest.mark.parametrize("case", ["none", "redacted", "full"], indirect=True)
class TestEcsFile(SinkLaws):
    @pytest.fixture
    def case(self, request, tmp_path):
        words, written = WordKeeper(), []
        path = tmp_path / "made" / "facts.ndjson"
        config = file.Config(type="file", format="ecs", path=str(path), content=request.param)
        sink = file.build(config, Tools(clock=SystemClock(), logger=words, pseudonym=str))
        send, file_itself = sink.send, path.with_name("facts.ndjson.1")

        def watched(parts, seqs):
            before = file_itself.stat().st_size if file_itself.exists() else 0
            report = send(parts, seqs)
            written.append(file_itself.read_bytes()[before:])
            return report

        sink.send = watched
        yield SinkCase(
            sink=sink,
            payloads=lambda: written,
            span_ids=span_ids,
            cut=lambda: path.parent.symlink_to(tmp_path / "not mounted"),
            words=words,
        )
        sink.close()
