"""`consecutive` through its port, and held to the laws of all rules."""

from __future__ import annotations

import msgspec
import pytest

from monitor.model import Finding, Recorded, Tool
from monitor.ports import Rule
from monitor.rules.consecutive import Config, build
from monitor.testing.rule_laws import RuleLaws
from monitor.testing.rules import RuleCase, findings, story, told
from monitor.testing.samples import uuid


def rule(count: int = 5, **changes: object) -> Rule:
    settings = {
        "name": "tool_failed",
        "kind": "consecutive",
        "count": count,
        "where": {"kind": "tool"},
        "group_by": ["tenant_id", "app_id", "tool_provider", "tool"],
        "summary": "{tool} failed",
    }
    return build(Config.model_validate(settings | changes))


def only(rule: Rule, events: list[Recorded]) -> Finding:
    (finding,) = findings(rule, events).values()
    return finding


class TestLaws(RuleLaws):
    @pytest.fixture(
        params=[
            RuleCase(rule(), holds=story("S FFFFF F"), clear=story("FFFFF S"), no_data=story("XX??")),
            RuleCase(rule(1), holds=story("F"), clear=story("FS")),
            RuleCase(rule(100), holds=story("F" * 100), clear=story("F" * 99)),
        ],
        ids=["five", "one", "hundred"],
    )
    def case(self, request: pytest.FixtureRequest) -> RuleCase:
        case: RuleCase = request.param
        return case


@pytest.mark.parametrize(
    ("letters", "verdict", "value"),
    [
        ("FFFF", "clear", 4),
        ("FFFFF", "holds", 5),
        ("FFFFFFF", "holds", 7),
        ("FFFF S F", "clear", 1),
        ("FFFFF S", "clear", 0),
        ("FF XX FF ?? F", "holds", 5),
        ("FFFFF X ?", "holds", 5),
        ("FFFFF S FFFFF", "holds", 5),
    ],
)
def test_counts_failures_in_a_row(letters, verdict, value):
    """What was stopped or is unknown neither counts nor resets."""
    finding = only(rule(), story(letters))
    assert (finding.verdict, finding.value) == (verdict, value)


def test_groups_are_apart():
    """Another tool's, app's or provider's calls neither lengthen a streak nor end it."""
    ours = story("FFFF")
    theirs = [
        told("failed", 10, tool=Tool(name="other_tool", provider=uuid(1, 13))),
        told("succeeded", 11, turn={"app_id": uuid(9, 11)}),
        told("failed", 12, tool=Tool(name="query_order_status", provider="another")),
    ]
    found = findings(rule(), [*ours, *theirs, *story("F", first=20)])
    assert sorted(finding.value for finding in found.values()) == [0, 1, 1, 5]


def test_all_invented_tools_of_an_app_are_one_group():
    calls = [told("failed", at, tool=Tool(name=f"invented_{at}", known=False)) for at in range(5)]
    assert only(rule(), calls).verdict == "holds"


def test_only_matching_steps_count():
    assert findings(rule(where=['tool!="query_order_status"']), story("FFFFF")) == {}


def test_a_provisional_step_counts_and_its_revisions_do_not():
    calls = [told("failed", at, provisional=True) for at in range(5)]
    better = [msgspec.structs.replace(call, revision=1) for call in calls]
    assert only(rule(), [*calls, *better]).value == 5


def test_evidence_is_the_first_failures_and_the_newest():
    """The five that made it hold, and no more than ten after them."""
    events = story("F" * 30)
    finding = only(rule(), events)
    keys = [event.event.key for event in events]
    assert [one.key for one in finding.evidence] == [*keys[:5], *keys[20:]]


def test_evidence_names_the_call():
    call = told("failed", 3)
    (one,) = only(rule(1), [call]).evidence
    body = call.event.body
    assert one.turn_id == body.turn.turn_id
    assert one.step_id == body.step.id
    assert one.at == body.step.ended_at
    assert one.error_type == "tool_invoke_error"
    assert one.conversation_id == body.turn.conversation_id
    assert one.message_id == body.turn.message_id
    assert one.duration_ns == 500_000_000
