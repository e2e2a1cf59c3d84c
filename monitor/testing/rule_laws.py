"""The laws of `monitor.ports.Rule`, one test each. A test class inherits them and brings a fixture `case`.

Written for pytest and shipped, so that a rule kind that lives elsewhere is held to the same laws.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.model import Recorded, SourceGap, StepEnded
from monitor.ports import Rule
from monitor.testing.rules import RuleCase, findings
from monitor.testing.samples import BASE_NS, SECOND, recorded, stream, turn_ended, turn_started

__all__ = ["RuleLaws"]

_FAR_NS = BASE_NS + 400 * 86_400 * SECOND
_MOST_STATE_BYTES = 100_000
_ROUNDS = 40


class RuleLaws:
    """What every kind of rule must keep to. `case` is a fixture that gives a RuleCase."""

    def test_says_what_its_stories_say(self, case: RuleCase) -> None:
        """Each story ends in its verdict, in at least one group."""
        for verdict, events in (("holds", case.holds), ("clear", case.clear)):
            assert verdict in {finding.verdict for finding in findings(case.rule, events).values()}

    def test_nothing_known_is_not_a_finding(self, case: RuleCase) -> None:
        """Before any event, and after events without data, a rule neither holds nor clears."""
        assert case.rule.judge(case.rule.start(), BASE_NS).verdict == "no_data"
        assert all(finding.verdict == "no_data" for finding in findings(case.rule, case.no_data).values())

    def test_is_pure(self, case: RuleCase) -> None:
        """The same events give the same states, and judging changes nothing."""
        once, twice = _fold(case.rule, case.holds), _fold(case.rule, case.holds)
        assert once == twice
        for state in once.values():
            assert case.rule.judge(state, BASE_NS) == case.rule.judge(state, BASE_NS)

    def test_state_is_all_there_is(self, case: RuleCase) -> None:
        """A fold that goes on from stored bytes, as after a restart, ends where one without a stop ends."""
        events = [*case.clear, *case.holds]
        whole = _fold(case.rule, events)
        for cut in range(len(events)):
            kept = {group: bytes(bytearray(state)) for group, state in _fold(case.rule, events[:cut]).items()}
            assert _fold(case.rule, events[cut:], kept) == whole

    def test_memory_is_bounded(self, case: RuleCase) -> None:
        """A group's state does not grow with the number of events."""
        states: dict[str, bytes] = {}
        for _ in range(_ROUNDS):
            states = _fold(case.rule, case.holds, states)
        sizes = [len(state) for state in states.values()]
        assert max(sizes) < _MOST_STATE_BYTES
        again = _fold(case.rule, case.holds, states)
        assert all(len(again[group]) <= len(state) + 16 for group, state in states.items())

    def test_evidence_is_of_the_group(self, case: RuleCase) -> None:
        """What speaks for a finding are events of the story, without content."""
        keys = {event.event.key for event in case.holds}
        held = [finding for finding in findings(case.rule, case.holds).values() if finding.verdict == "holds"]
        assert all(finding.evidence and {one.key for one in finding.evidence} <= keys for finding in held)

    def test_passes_over_what_it_does_not_need(self, case: RuleCase) -> None:
        """Events of other kinds concern no rule, and no event of any kind makes it raise."""
        strangers = [recorded(SourceGap(what="messages", reason="unreadable")), recorded(turn_started())]
        strangers += [recorded(turn_ended()), *stream(3)]
        for event in strangers:
            labels = case.rule.group(event)
            if labels is not None:
                assert all(isinstance(text, str) for pair in labels.items() for text in pair)
                case.rule.fold(case.rule.start(), event)
            if "step_ended" not in case.rule.needs and isinstance(event.event.body, StepEnded):
                assert labels is None

    def test_revisions_are_not_counted_again(self, case: RuleCase) -> None:
        """A correction of a fact that was folded concerns no rule."""
        for event in case.holds:
            revised = Recorded(
                seq=event.seq, revision=1, source=event.source, recorded_at=event.recorded_at, event=event.event
            )
            assert case.rule.group(revised) is None

    def test_judges_any_time(self, case: RuleCase) -> None:
        """No time makes it raise, the past and the far future neither."""
        for state in _fold(case.rule, case.holds).values():
            for now_ns in (0, BASE_NS, _FAR_NS):
                assert case.rule.judge(state, now_ns).verdict in {"holds", "clear", "no_data"}


def _fold(rule: Rule, events: Sequence[Recorded], known: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """States by group, beginning with what is known."""
    states = dict(known or {})
    for event in events:
        labels = rule.group(event)
        if labels is not None:
            group = repr(sorted(labels.items()))
            states[group] = rule.fold(states.get(group, rule.start()), event)
    return states
