"""Turns as lines: what is told of them, and that nothing in Dify's texts can steer a terminal."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from monitor.demo import screen
from monitor.demo.paper import console_on
from monitor.demo.screen import Screen
from monitor.model import SourceGap
from monitor.model.events import StepEnded
from monitor.ports import Tools
from monitor.testing import samples
from monitor.testing.laws import hostile
from tests.unit.demo.clock import HandClock


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def told(*events, width=80):
    out = io.StringIO()
    sink = Screen(
        "screen", Console(file=out, width=width, color_system=None, markup=False, emoji=False, highlight=False)
    )
    parts = [part for event in events if (part := sink.encode(event))]
    report = sink.send(parts, range(len(parts)))
    assert report.accepted == len(parts)
    return out.getvalue()


def step(fact, **kept):
    return samples.recorded(StepEnded(samples.turn_ref(), fact), **kept)


def test_a_turn_is_told_from_its_question_to_its_sums():
    lines = told(*samples.agent_turn())
    assert "客服 Agent" in lines
    assert samples.QUESTION in lines
    assert "✓ Tool query_order_status" in lines
    assert "✓ succeeded" in lines
    assert "tokens" in lines
    assert "USD" in lines


def test_a_failure_says_what_went_wrong():
    lines = told(step(samples.tool_step(status="failed", error_type="timeout")))
    assert "✗ Tool query_order_status  failed: timeout, 500 ms" in lines


def test_revisions_are_not_told_again():
    event = msgspec.structs.replace(step(samples.tool_step()), revision=1)
    assert told(event) == ""


def test_what_happens_in_between_is_not_worth_a_line():
    """An agent's model calls and a workflow's small nodes; unless they fail."""
    assert told(step(samples.llm_step()), step(samples.node_step())) == ""
    assert "✗ Node" in told(step(samples.node_step(status="failed")))


def test_other_facts_are_not_told():
    assert told(samples.recorded(SourceGap(what="messages", reason="unreadable"))) == ""


def test_of_a_workflows_inputs_its_authors_names_are_told():
    given = '{"order_id": "12345", "note": "", "sys.user_id": "u1", "n": 3}'
    event = samples.recorded(samples.turn_started(turn=samples.chatflow_ref()), content={"input": given})
    assert "order_id: 12345; n: 3\n" in told(event)


def test_the_same_event_is_the_same_bytes():
    sink = Screen("screen", console_on(io.StringIO()))
    assert [sink.encode(event) for event in samples.stream(2)] == [sink.encode(event) for event in samples.stream(2)]


@pytest.mark.parametrize("width", [80, 20, 1])
def test_it_takes_anything(width):
    for event in hostile():
        assert "\x1b" not in told(event, width=width)


@pytest.mark.parametrize("name", ["\x1b[2J", "[red]x[/red]", "a\nb", "\u202egnp.exe", ":bomb:"])
def test_names_are_text_and_nothing_else(name):
    ref = samples.turn_ref(app_name=name)
    lines = told(samples.recorded(samples.turn_started(turn=ref), content={"input": name}))
    assert not {"\x1b", "\u202e"} & set(lines)
    assert lines.count("\n") == 3
    if name.startswith("["):
        assert name in lines


def test_it_is_as_wide_as_the_terminal():
    long = samples.recorded(samples.turn_started(), content={"input": "长" * 500})
    widths = [len(line.encode("gb18030")) for line in told(long, width=40).splitlines()]
    assert max(widths) <= 41  # the ellipsis has one cell and two bytes


def test_it_can_be_built_asked_and_closed(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    sink = screen.build(screen.Config(), Tools(clock=HandClock(), logger=None, pseudonym=str))
    assert sink.resume("") == ""
    sink.check()
    sink.close()
    sink.close()
    assert (sink.name, out.getvalue()) == ("screen", "")


def colours(monkeypatch, no_color):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    out = Terminal()
    console_on(out).print("x", style="bold red")
    return "\x1b" in out.getvalue()


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    assert colours(monkeypatch, "")
    assert not colours(monkeypatch, "1")
    out = io.StringIO()
    console_on(out).print("x", style="bold red")
    assert out.getvalue() == "x\n"
