from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from monitor.errors import JournalDamaged
from monitor.metrics.projection import MetricsProjection
from monitor.model import Body, Recorded, StepEnded, Tool, TurnRef
from monitor.testing.samples import (
    SECOND,
    agent_turn,
    llm_step,
    recorded,
    retrieval_step,
    tool_step,
    turn_ended,
    turn_ref,
    turn_started,
    usage,
)

TURN = turn_ref(tenant_id="t", app_id="a", mode="chat", app_name="Shop", invoke_from="web-app")


def facts(bodies: Iterable[Body]) -> list[Recorded]:
    return [recorded(body, seq=seq) for seq, body in enumerate(bodies)]


def call(name: str, turn: TurnRef = TURN) -> StepEnded:
    return StepEnded(turn, tool_step(turn, tool=Tool(name=name)))


def projected(*bodies: Body, max_series: int = 2_000) -> MetricsProjection:
    series = MetricsProjection(max_series=max_series)
    series.apply(facts(bodies))
    series.adopt()
    return series


def shown(series: MetricsProjection, metric: str) -> dict[tuple[str, ...], list[int]]:
    return {labels: list(numbers) for labels, numbers in series.snapshot().series[metric].items()}


class TestAdoption:
    def test_nothing_shows_before_it_is_adopted(self):
        series = MetricsProjection()
        assert series.apply(facts([turn_started()])).puts
        assert not any(series.snapshot().series.values())

    def test_what_was_not_adopted_is_forgotten(self):
        series = projected(turn_started(TURN))
        for _ in range(3):
            series.apply(facts([turn_started(TURN)]))
        series.adopt()
        assert shown(series, "dify_turns_in_flight") == {("t", "a", "chat"): [2]}

    def test_adopting_twice_changes_nothing(self):
        series = projected(turn_started(TURN))
        series.adopt()
        assert shown(series, "dify_turns_in_flight") == {("t", "a", "chat"): [1]}

    def test_a_snapshot_never_changes(self):
        series = projected(turn_started(TURN))
        before = series.snapshot()
        series.apply(facts([turn_started(TURN)]))
        assert list(before.series["dify_turns_in_flight"][("t", "a", "chat")]) == [1]
        series.adopt()
        assert list(before.series["dify_turns_in_flight"][("t", "a", "chat")]) == [1]

    def test_only_what_changed_is_put(self):
        series = projected(*(each.event.body for each in agent_turn()))
        puts = series.apply(facts([StepEnded(TURN, retrieval_step(documents=None))])).puts
        assert {json.loads(key)[0] for key in puts} == {"dify_retrievals_total"}

    def test_no_events_change_nothing(self):
        assert not MetricsProjection().apply([]).puts


class TestStored:
    def test_what_was_put_can_be_loaded(self):
        series = MetricsProjection()
        puts = series.apply(agent_turn(failed=True)).puts
        series.adopt()
        again = MetricsProjection()
        again.load(puts)
        assert again.snapshot().series == series.snapshot().series

    def test_keys_keep_labels_apart_whatever_is_in_them(self):
        turns = [
            turn_ref(tenant_id=tenant, app_id=app) for tenant, app in [('a","b', "c"), ("a", 'b","c'), ("a\\", "")]
        ]
        puts = MetricsProjection().apply(facts(turn_started(turn) for turn in turns)).puts
        assert len([key for key in puts if "in_flight" in key]) == 3

    def test_numbers_have_no_largest(self):
        """Money in small units of a small currency outgrows 64 bits."""
        price = "900000000000000000"
        bodies = [StepEnded(TURN, llm_step(TURN, at, usage=usage(price=price))) for at in range(3)]
        puts = MetricsProjection().apply(facts(bodies)).puts
        again = MetricsProjection()
        again.load(puts)
        [numbers] = shown(again, "dify_cost_total").values()
        assert numbers == [3 * int(price) * 10**10]

    def test_a_metric_of_another_version_is_left_alone(self):
        series = MetricsProjection()
        series.load({'["dify_hats_total","t","a"]': b"12 red"})
        assert not any(series.snapshot().series.values())

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("dify_cost_unreadable_total", b"1"),
            ("[]", b"1"),
            ('{"a":1}', b"1"),
            ('["dify_cost_unreadable_total","t","a"]', b"1.5"),
            ('["dify_cost_unreadable_total","t","a"]', b""),
            ('["dify_cost_unreadable_total","t","a"]', b"1 2"),
            ('["dify_cost_unreadable_total","t"]', b"1"),
            ('["dify_turn_duration_seconds","t","a","chat"]', b"1 2 3"),
        ],
    )
    def test_what_cannot_be_read_is_damage(self, key, value):
        with pytest.raises(JournalDamaged, match="metric series"):
            MetricsProjection().load({key: value})


class TestSeries:
    def test_a_start_makes_every_status_be_there_as_zero(self):
        series = projected(turn_started(TURN))
        assert shown(series, "dify_turns_total") == {
            ("t", "a", "chat", "web-app", status): [0]
            for status in ("succeeded", "failed", "partial", "stopped", "abandoned")
        }

    def test_a_tool_first_seen_has_every_status(self):
        series = projected(call("search"))
        assert shown(series, "dify_tool_calls_total") == {
            ("t", "a", "", "search", status): [int(status == "succeeded")]
            for status in ("succeeded", "failed", "stopped", "unknown")
        }

    def test_a_bound_belongs_to_its_own_bucket(self):
        series = projected(*(turn_ended(TURN, duration_ns=ns) for ns in (0, SECOND // 10, SECOND // 10 + 1)))
        [numbers] = shown(series, "dify_turn_duration_seconds").values()
        assert numbers[:4] == [SECOND // 5 + 1, 2, 1, 0]

    def test_beyond_the_last_bound_is_infinity(self):
        series = projected(turn_ended(TURN, duration_ns=10_000 * SECOND))
        [numbers] = shown(series, "dify_turn_duration_seconds").values()
        assert numbers[-1] == 1

    def test_an_exemplar_is_the_newest_of_its_bucket(self):
        late, early = turn_ref(9, mode="chat"), turn_ref(1, mode="chat")
        series = projected(turn_ended(late), turn_ended(early))
        [exemplar] = series.snapshot().exemplars.values()
        assert (exemplar.turn_id, exemplar.value) == (late.turn_id, 2 * SECOND)


class TestCap:
    def test_new_tools_go_to_their_apps_other_and_then_to_one_for_all(self):
        """Ten places: nine for whoever comes first, one for an app's `other`, and the last resort beside them."""
        series = projected(*(call(f"tool{number}") for number in range(12)), max_series=10)
        other_app = turn_ref(tenant_id="t", app_id="b")
        series.apply(facts([call("late", other_app)]))
        folded = series.adopt()
        counts = {
            labels[:4]: numbers[0]
            for labels, numbers in shown(series, "dify_tool_calls_total").items()
            if labels[-1] == "succeeded"
        }
        assert counts == {
            **{("t", "a", "", f"tool{number}"): 1 for number in range(9)},
            ("t", "a", "other", "other"): 3,
            ("other", "other", "other", "other"): 1,
        }
        assert folded == {"dify_tool_calls_total": 1, "dify_tool_call_duration_seconds": 1}

    def test_who_has_a_place_keeps_it(self):
        series = projected(call("a"), call("b"), call("a"), max_series=1)
        counts = shown(series, "dify_tool_calls_total")
        assert counts[("t", "a", "", "a", "succeeded")] == [2]

    def test_folding_is_the_same_after_a_restart(self):
        first = MetricsProjection(max_series=2)
        stored = dict(first.apply(facts([call("a"), call("b"), call("c")])).puts)
        first.adopt()
        again = MetricsProjection(max_series=2)
        again.load(stored)
        rest = facts([call("c"), call("b"), call("d")])
        assert again.apply(rest).puts == first.apply(rest).puts

    def test_a_turn_whose_start_was_folded_ends_in_the_same_series(self):
        turns = [turn_ref(number, app_id=f"app{number}", tenant_id="t") for number in range(5)]
        series = projected(*(turn_started(turn) for turn in turns), max_series=2)
        series.apply(facts(turn_ended(turn) for turn in turns))
        series.adopt()
        assert set(map(tuple, shown(series, "dify_turns_in_flight").values())) == {(0,)}

    def test_closed_labels_cost_no_place(self):
        series = projected(
            turn_started(TURN), *(turn_ended(TURN, status=status) for status in ("failed", "partial")), max_series=1
        )
        assert {labels[0] for labels in shown(series, "dify_turns_total")} == {"t"}
