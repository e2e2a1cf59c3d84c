"""Rules over the facts beside the turns: what of them fails, which fields they have, and the rules that are shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given

from monitor.errors import ConfigError
from monitor.model import (
    AnnotationMade,
    ConfigChanged,
    ContentDeleted,
    CoverageChanged,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    IndexingChanged,
    Note,
    Recorded,
    StepKind,
    TriggerLogged,
    kind_of,
)
from monitor.rules import LoadedRule, consecutive, parse_rules
from monitor.rules.matcher import kinds_wanted, parse_matcher
from monitor.rules.subject import FIELDS, JUDGED, KINDS, fields_of, outcome_of, subject_of
from monitor.testing.rule_laws import RuleLaws
from monitor.testing.rules import RuleCase, findings, story
from monitor.testing.samples import BASE_NS, recorded, turn_ended, turn_ref, turn_started, uuid
from tests.unit.noted import NOTES, RATED, any_recorded, changed, note

SHIPPED = Path(__file__).parents[3] / "alerts" / "dify.yaml"
STEPS = {str(kind) for kind in get_args(StepKind)}


def shipped() -> dict[str, LoadedRule]:
    rules = parse_rules(SHIPPED.read_text("utf-8"), where=str(SHIPPED), kinds={"consecutive": consecutive})
    return {loaded.definition.name: loaded for loaded in rules}


def rule(count: int = 1, **changes: Any) -> Any:
    settings = {
        "name": "r",
        "kind": "consecutive",
        "count": count,
        "group_by": ["app_id"],
        "summary": "{kind}",
        "where": {"kind": "feedback"},
    }
    return consecutive.build(consecutive.Config.model_validate(settings | changes))


def rated(words: str) -> list[Recorded]:
    """`D` dislike, `L` like, `W` a dislike withdrawn, each about another turn."""
    facts = []
    for at, word in enumerate(words):
        turn = turn_ref(at, tenant_name="Acme")
        if word == "W":
            body: Note = changed(FeedbackWithdrawn, turn=turn)
        else:
            body = changed(FeedbackGiven, turn=turn, rating={"D": "dislike", "L": "like"}[word], was="")
        facts.append(note(body, at))
    return facts


def of(kind: type[Any], field: str, *words: str) -> list[Recorded]:
    return [note(changed(kind, **{field: word}), at) for at, word in enumerate(words)]


def verdicts(rule: Any, facts: list[Recorded]) -> set[str]:
    return {finding.verdict for finding in findings(rule, facts).values()}


# --- what is looked at


@pytest.mark.parametrize(
    ("where", "kinds"),
    [
        ([], STEPS),
        (['kind!="tool"'], STEPS - {"tool"}),
        (['kind!~"llm|tool"'], STEPS - {"llm", "tool"}),
        (['kind="tool"'], {"tool"}),
        (['kind="feedback"'], {"feedback"}),
        (['kind=~"feedback|tool"'], {"feedback", "tool"}),
        (['kind=~".*"', 'kind!="tool"'], set(KINDS) - {"tool"}),
        (['kind="feedback"', 'kind="tool"'], set()),
        (['tool="x"', 'status!="y"'], STEPS),
    ],
)
def test_facts_beside_the_turns_are_looked_at_where_they_are_asked_for(where, kinds):
    """A rule that says nothing of `kind`, or only which it does not want, goes on being about steps."""
    assert kinds_wanted(map(parse_matcher, where)) == kinds


def test_every_kind_of_note_has_a_word():
    """Rules name the kind of a fact, and ask the journal for the events that have it."""
    for body in NOTES:
        word = FIELDS["kind"](body)
        assert kind_of(body) in KINDS[word]
    assert {kind for kinds in KINDS.values() for kind in kinds} == {"step_ended", *map(kind_of, NOTES)}


def test_a_rule_asks_for_the_events_that_it_needs():
    assert set(rule().needs) == {"feedback_given", "feedback_withdrawn"}
    assert set(rule(where=[]).needs) == {"step_ended"}
    assert set(rule(where=['kind=~"tool|config|coverage"']).needs) == {"step_ended", "coverage_changed"}


@pytest.mark.parametrize("where", [{"kind": "config"}, ['kind=~"annotation|deletion"'], {"kind": "tools"}])
def test_a_rule_about_what_cannot_fail_is_refused(where):
    """It could never fire, or never end."""
    text = f'rules: [{{name: r, kind: consecutive, count: 1, where: {where}, group_by: [app_id], summary: "s"}}]'
    with pytest.raises(ConfigError, match="where") as caught:
        parse_rules(text, where="f", kinds={"consecutive": consecutive})
    assert "Kinds that fail and succeed: agent, coverage, feedback" in str(caught.value)


# --- fields and outcomes


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            changed(FeedbackGiven),
            {"kind": "feedback", "status": "dislike", "rating": "dislike", "given_by": "user", "app_name": RATED.app_name}
            | {"mode": "agent-chat", "invoke_from": "service-api", "tenant_name": "Acme"},
        ),
        (changed(FeedbackWithdrawn), {"kind": "feedback", "status": "withdrawn", "rating": "dislike"}),
        (changed(AnnotationMade), {"kind": "annotation", "status": "changed", "app_name": "客服 Agent"}),
        (changed(ConfigChanged), {"kind": "config", "status": "changed", "model_name": "gemini-2.5-pro"}),
        (changed(ConfigChanged, was=""), {"status": "first"}),
        (changed(ConfigChanged, was="fedcba9876543210"), {"status": "same"}),
        (changed(ContentDeleted), {"kind": "deletion", "status": "gone", "app_id": uuid(1, 11)}),
        (changed(TriggerLogged), {"kind": "trigger", "status": "rate_limited", "trigger_type": "trigger-webhook"}),
        (changed(FormChanged), {"kind": "form", "status": "submitted", "node_id": "ask"}),
        (
            changed(IndexingChanged),
            {"kind": "indexing", "status": "failed", "dataset_id": uuid(1, 25), "document_id": uuid(1, 26)}
            | {"dataset_name": "售后政策", "stage": "error", "error_type": "quota", "tenant_id": uuid(1, 10), "app_id": ""},
        ),
        (changed(CoverageChanged), {"kind": "coverage", "state": "at_risk", "source": "dify_database", "tenant_id": ""}),
    ],
)  # fmt: skip
def test_the_fields_of_a_fact(body, expected):
    fields = fields_of(note(body))
    assert {name: fields[name] for name in expected} == expected
    assert set(fields) == set(FIELDS)


@pytest.mark.parametrize(
    ("kind", "field", "failed", "succeeded", "neither"),
    [
        (FeedbackGiven, "rating", ["dislike"], ["like"], ["meh", ""]),
        (TriggerLogged, "status", ["failed", "rate_limited"], ["succeeded"], ["pending", "running", "retrying", "new"]),
        (FormChanged, "status", ["timeout", "expired"], ["submitted"], ["waiting"]),
        (IndexingChanged, "status", ["failed", "stuck"], ["completed"], ["paused"]),
        (CoverageChanged, "state", ["at_risk", "overtaken"], ["safe"], [""]),
    ],
)
def test_what_fails_and_what_succeeds(kind, field, failed, succeeded, neither):
    outcomes = {"failed": failed, "succeeded": succeeded, None: neither}
    for outcome, words in outcomes.items():
        assert {outcome_of(changed(kind, **{field: word})) for word in words} == {outcome}


def test_taking_a_dislike_back_neither_counts_nor_resets():
    assert verdicts(rule(3), rated("DWDWD")) == {"holds"}
    assert verdicts(rule(3), rated("DDLD")) == {"clear"}


@given(any_recorded)
def test_no_fact_makes_a_rule_raise(fact):
    """Whatever Dify's rows say."""
    body = subject_of(fact)
    assert all(isinstance(value, str) for value in fields_of(fact).values())
    assert (outcome_of(body) is None) or (FIELDS["kind"](body) in JUDGED)
    asked = rule(where=['kind=~".+"'])
    if asked.group(fact) is not None:
        asked.judge(asked.fold(b"", fact), BASE_NS)


def test_turns_are_no_subject():
    for body in (turn_started(), turn_ended()):
        assert subject_of(recorded(body)) is None
        assert fields_of(recorded(body)) == {}


# --- evidence


def test_evidence_of_a_rating_leads_to_its_conversation():
    """So that the alert can say which one to replay."""
    (finding,) = findings(rule(), rated("D")).values()
    (one,) = finding.evidence
    turn = turn_ref(0)
    assert (one.status, one.turn_id, one.conversation_id) == ("dislike", turn.turn_id, turn.conversation_id)
    assert (one.message_id, one.step_id, one.duration_ns, one.at) == (turn.message_id, "", 0, BASE_NS)


def test_evidence_of_a_document_has_no_turn():
    asked = rule(where={"kind": "indexing"}, group_by=["document_id"])
    (finding,) = findings(asked, of(IndexingChanged, "status", "stuck")).values()
    (one,) = finding.evidence
    assert (one.status, one.error_type, one.turn_id, one.conversation_id) == ("stuck", "quota", "", "")


# --- held to the laws


class TestLaws(RuleLaws):
    @pytest.fixture(
        params=[
            RuleCase(rule(3), holds=rated("LDDD"), clear=rated("DDL"), no_data=rated("WW")),
            RuleCase(
                rule(where={"kind": "coverage"}, group_by=["source"]),
                holds=of(CoverageChanged, "state", "safe", "at_risk", "overtaken"),
                clear=of(CoverageChanged, "state", "at_risk", "safe"),
            ),
            RuleCase(
                rule(5, where=['kind=~"tool|feedback"']),
                holds=[*story("FF"), *rated("DDD")],
                clear=[*story("FFFFF"), *rated("L")],
            ),
        ],
        ids=["feedback", "coverage", "both"],
    )
    def case(self, request: pytest.FixtureRequest) -> RuleCase:
        case: RuleCase = request.param
        return case


# --- the rules that are shipped


def test_the_shipped_rules_and_who_is_called_for_them():
    assert {name: loaded.definition.severity for name, loaded in shipped().items()} == {
        "dify_cleanup_overtakes": "page",
        "indexing_failed": "warning",
        "trigger_rate_limited": "warning",
        "disliked_in_a_row": "warning",
    }


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_rule_speaks_chinese_too(name):
    assert "提示：" in shipped()[name].definition.description


CASES = [
    ("dify_cleanup_overtakes", of(CoverageChanged, "state", "at_risk"), "holds"),
    ("dify_cleanup_overtakes", of(CoverageChanged, "state", "overtaken"), "holds"),
    ("dify_cleanup_overtakes", of(CoverageChanged, "state", "at_risk", "safe"), "clear"),
    ("indexing_failed", of(IndexingChanged, "status", "failed"), "holds"),
    ("indexing_failed", of(IndexingChanged, "status", "stuck", "paused"), "holds"),
    ("indexing_failed", of(IndexingChanged, "status", "failed", "completed"), "clear"),
    ("indexing_failed", of(IndexingChanged, "status", "stuck", "deleted"), "clear"),
    ("trigger_rate_limited", of(TriggerLogged, "status", "rate_limited"), "holds"),
    ("trigger_rate_limited", of(TriggerLogged, "status", "rate_limited", "failed"), "holds"),
    ("trigger_rate_limited", of(TriggerLogged, "status", "rate_limited", "succeeded"), "clear"),
    ("disliked_in_a_row", rated("LDDD"), "holds"),
    ("disliked_in_a_row", rated("DDLD"), "clear"),
]


@pytest.mark.parametrize(("name", "facts", "verdict"), CASES)
def test_when_a_shipped_rule_fires_and_ends(name, facts, verdict):
    assert verdicts(shipped()[name].rule, facts) == {verdict}


def test_a_trigger_that_failed_is_not_rate_limited():
    """Its run failed, and the run's own steps say so."""
    assert findings(shipped()["trigger_rate_limited"].rule, of(TriggerLogged, "status", "failed")) == {}


def test_documents_and_apps_are_kept_apart():
    documents = [note(changed(IndexingChanged, document_id=str(at)), at) for at in range(3)]
    assert len(findings(shipped()["indexing_failed"].rule, documents)) == 3
    ratings = [note(changed(FeedbackGiven, turn=turn_ref(at, app_id=str(at))), at) for at in range(3)]
    assert {each.value for each in findings(shipped()["disliked_in_a_row"].rule, ratings).values()} == {1.0}
