from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics.catalogue import CATALOGUE
from monitor.model import (
    Alert,
    AlertChanged,
    Body,
    ConfigChanged,
    FeedbackGiven,
    FeedbackWithdrawn,
    Hit,
    IndexingChanged,
    Node,
    SourceGap,
    Step,
    StepEnded,
    Tool,
    TriggerLogged,
    TurnEnded,
    TurnRef,
    Usage,
)
from monitor.normalise.measures import LABEL_CHARS, Measure, label, measures, price_units
from monitor.testing.samples import (
    SECOND,
    agent_turn,
    chatflow_ref,
    http_step,
    llm_step,
    node_step,
    recorded,
    retrieval_step,
    tool_step,
    turn_ended,
    turn_ref,
    turn_started,
    usage,
)
from tests.unit.noted import NOTES, any_recorded, changed

CHAT = turn_ref(1, mode="chat")


def of(body: Body, revision: int = 0) -> list[Measure]:
    return list(measures(recorded(body, revision=revision)))


def of_step(step: Step, turn: TurnRef | None = None) -> list[Measure]:
    return of(StepEnded(turn=turn or turn_ref(), step=step))


def found(seen: list[Measure], metric: str) -> list[tuple[dict[str, str], int]]:
    """Labels (without tenant and app) and value of a metric's measures."""
    return [
        ({name: value for name, value in each.labels.items() if name not in {"tenant_id", "app_id"}}, each.value)
        for each in seen
        if each.metric == metric
    ]


def names(seen: list[Measure]) -> set[str]:
    return {each.metric for each in seen}


class TestEveryMeasure:
    BODIES = (
        turn_started(),
        turn_ended(CHAT, counts_usage=True, status="failed", time_to_first_token_ns=5),
        turn_ended(CHAT, counts_usage=True, usage=usage(price="x")),
        *(
            StepEnded(turn=chatflow_ref(), step=step)
            for step in (
                node_step(),
                http_step(status="failed"),
                tool_step(status="failed"),
                llm_step(time_to_first_token_ns=7, usage=usage(None, None, total_tokens=9)),
                retrieval_step(),
            )
        ),
        *NOTES,
    )

    def test_has_exactly_the_labels_of_the_catalogue(self):
        labels = {each.name: set(each.labels) for each in CATALOGUE}
        for body in self.BODIES:
            for measure in of(body):
                assert set(measure.labels) == labels[measure.metric]

    def test_of_the_catalogue_is_made_by_some_fact(self):
        assert set().union(*(names(of(body)) for body in self.BODIES)) == {each.name for each in CATALOGUE}

    def test_closed_labels_stay_within_their_values(self):
        closed = {each.name: each.closed for each in CATALOGUE}
        for body in self.BODIES:
            for measure in of(body):
                for name, values in closed[measure.metric].items():
                    assert measure.labels[name] in values

    def test_names_no_person_and_no_conversation(self):
        forbidden = {"user", "user_id", "conversation_id", "message_id", "turn_id", "run_id"}
        assert not any(forbidden & set(each.labels) for each in CATALOGUE)


class TestWhatCounts:
    @pytest.mark.parametrize("body", [turn_started(), turn_ended(), StepEnded(turn=turn_ref(), step=tool_step())])
    def test_only_the_first_end_of_a_key(self, body):
        assert of(body)
        assert of(body, revision=1) == []

    def test_not_alerts_and_not_gaps(self):
        alert = Alert(
            fingerprint="f", rule="r", labels={}, severity="page", summary="", state="firing", since=0, changes=1
        )
        assert of(AlertChanged(alert=alert, was="inactive", now="firing", reason="met")) == []
        assert of(SourceGap(what="messages 1", reason="unreadable")) == []

    def test_a_whole_agent_turn(self):
        seen = [measure for each in agent_turn(failed=True) for measure in measures(each)]
        assert len(found(seen, "dify_llm_calls_total")) == 2
        assert [labels["status"] for labels, _ in found(seen, "dify_tool_calls_total")] == ["failed"]
        assert [labels["component"] for labels, _ in found(seen, "dify_failures_total")] == ["tool"]
        assert sum(value for _, value in found(seen, "dify_turns_in_flight")) == 0
        # The turn's totals repeat its steps' tokens: they must not be counted again.
        assert sum(value for _, value in found(seen, "dify_tokens_total")) == 2 * (75 + 18)


class TestTurns:
    def test_a_start_puts_the_turn_in_flight_and_names_the_app(self):
        seen = of(turn_started(turn_ref(mode="chat", app_name="Shop")))
        assert found(seen, "dify_turns_in_flight") == [({"mode": "chat"}, 1)]
        assert found(seen, "dify_app_info") == [({"mode": "chat", "app_name": "Shop"}, turn_ref().started_at)]

    def test_a_start_makes_the_turn_counters_be_there_as_zero(self):
        seen = of(turn_started(turn_ref(invoke_from="web-app")))
        [(labels, value)] = found(seen, "dify_turns_total")
        assert (labels["mode"], labels["invoke_from"], value) == ("agent-chat", "web-app", 0)

    def test_an_end_takes_it_out_of_flight_and_counts_it(self):
        seen = of(turn_ended(status="partial"))
        assert found(seen, "dify_turns_in_flight") == [({"mode": "agent-chat"}, -1)]
        assert found(seen, "dify_turns_total") == [
            ({"mode": "agent-chat", "invoke_from": "service-api", "status": "partial"}, 1)
        ]
        assert found(seen, "dify_turn_duration_seconds") == [({"mode": "agent-chat"}, 2 * SECOND)]

    @pytest.mark.parametrize("unknown", [None, -1])
    def test_a_turn_that_dify_did_not_time_stays_out_of_the_histogram(self, unknown):
        assert "dify_turn_duration_seconds" not in names(of(turn_ended(duration_ns=unknown)))

    @pytest.mark.parametrize(
        ("status", "failed_steps", "counted"),
        [("failed", 0, 1), ("failed", 1, 0), ("partial", 0, 0), ("stopped", 0, 0), ("abandoned", 0, 0)],
    )
    def test_a_turn_is_a_failure_only_where_no_step_was(self, status, failed_steps, counted):
        seen = of(turn_ended(status=status, failed_steps=failed_steps, error_type="quota"))
        assert found(seen, "dify_failures_total") == [({"component": "turn", "error_type": "quota"}, 1)] * counted


class TestTheTurnIsTheModelCall:
    def test_it_counts_as_one_call_with_tokens_and_money(self):
        seen = of(
            turn_ended(
                CHAT,
                counts_usage=True,
                usage=usage(10, 5, price="0.25"),
                model_provider="openai",
                model_name="gpt",
                time_to_first_token_ns=3,
            )
        )
        model = {"model_provider": "openai", "model_name": "gpt"}
        assert found(seen, "dify_llm_calls_total") == [({**model, "status": "succeeded"}, 1)]
        assert found(seen, "dify_llm_call_duration_seconds") == [(model, 2 * SECOND)]
        assert found(seen, "dify_time_to_first_token_seconds") == [(model, 3)]
        assert found(seen, "dify_tokens_total") == [
            ({**model, "direction": "input"}, 10),
            ({**model, "direction": "output"}, 5),
        ]
        assert found(seen, "dify_cost_total") == [({**model, "currency": "USD"}, 2_500_000_000)]

    @pytest.mark.parametrize(
        ("turn", "call"),
        [
            ("succeeded", "succeeded"),
            ("partial", "succeeded"),
            ("failed", "failed"),
            ("stopped", "stopped"),
            ("abandoned", "unknown"),
        ],
    )
    def test_it_ended_as_the_turn_did(self, turn, call):
        seen = of(turn_ended(CHAT, counts_usage=True, usage=None, status=turn))
        assert [labels["status"] for labels, _ in found(seen, "dify_llm_calls_total")] == [call]

    def test_an_agents_turn_that_carries_the_sum_is_no_call_of_its_own(self):
        seen = of(turn_ended(turn_ref(mode="agent-chat"), counts_usage=True))
        assert "dify_llm_calls_total" not in names(seen)
        assert "dify_tokens_total" in names(seen)

    def test_without_the_mark_nothing_is_counted(self):
        seen = of(turn_ended(CHAT, counts_usage=False, time_to_first_token_ns=3))
        assert not {"dify_llm_calls_total", "dify_tokens_total", "dify_cost_total"} & names(seen)
        assert "dify_time_to_first_token_seconds" not in names(seen)


class TestSteps:
    def test_a_model_node_is_a_call_and_a_node(self):
        node = Node(node_id="n", node_type="llm", title="Answer")
        seen = of_step(llm_step(node=node, time_to_first_token_ns=9))
        assert found(seen, "dify_nodes_total") == [({"node_type": "llm", "status": "succeeded"}, 1)]
        assert len(found(seen, "dify_llm_calls_total")) == 1
        assert [value for _, value in found(seen, "dify_time_to_first_token_seconds")] == [9]

    def test_a_thought_is_no_node(self):
        assert "dify_nodes_total" not in names(of_step(llm_step()))

    def test_a_container_is_a_node_and_its_usage_is_its_childrens(self):
        seen = of_step(node_step(node_type="iteration", usage=usage()))
        assert found(seen, "dify_nodes_total") == [({"node_type": "iteration", "status": "succeeded"}, 1)]
        assert "dify_tokens_total" not in names(seen)

    def test_an_agent_node_has_tokens_but_is_no_call(self):
        seen = of_step(node_step(node_type="agent", kind="agent", usage=usage()))
        assert "dify_tokens_total" in names(seen)
        assert "dify_llm_calls_total" not in names(seen)

    def test_a_tool_called_twice_in_one_step_is_one_call(self):
        tool = Tool(name="search", provider="p", calls=2)
        seen = of_step(tool_step(tool=tool))
        assert found(seen, "dify_tool_calls_total") == [
            ({"tool_provider": "p", "tool": "search", "status": "succeeded"}, 1)
        ]

    def test_a_tool_that_the_model_made_up_is_other(self):
        seen = of_step(tool_step(tool=Tool(name="hack_the_planet", known=False)))
        assert [labels["tool"] for labels, _ in found(seen, "dify_tool_calls_total")] == ["other"]
        assert [labels["tool"] for labels, _ in found(seen, "dify_tool_call_duration_seconds")] == ["other"]

    def test_a_tool_step_without_its_tool_is_other(self):
        assert [labels["tool"] for labels, _ in found(of_step(tool_step(tool=None)), "dify_tool_calls_total")] == [
            "other"
        ]

    def test_a_search_counts_with_what_it_found(self):
        seen = of_step(retrieval_step(dataset_id="d", documents=0))
        assert found(seen, "dify_retrievals_total") == [({"dataset_id": "d"}, 1)]
        assert found(seen, "dify_retrieval_documents") == [({"dataset_id": "d"}, 0)]

    def test_a_search_in_several_knowledge_bases_names_none(self):
        """Their ids in a row would be a series for each choice of them, cut in the middle of an id."""
        seen = of_step(retrieval_step(dataset_id="d,e", documents=1))
        assert found(seen, "dify_retrievals_total") == [({"dataset_id": "several"}, 1)]
        assert found(seen, "dify_retrieval_documents") == [({"dataset_id": "several"}, 1)]

    def test_a_search_whose_result_dify_did_not_keep(self):
        assert "dify_retrieval_documents" not in names(of_step(retrieval_step(documents=None)))

    def test_what_a_search_spent_on_models_is_counted(self):
        """From 1.9.2 on a node may ask a model which knowledge base to search, or filter by one."""
        seen = of_step(retrieval_step(usage=Usage(input_tokens=3, output_tokens=1, total_tokens=4)))
        assert sum(value for _, value in found(seen, "dify_tokens_total")) == 4


class TestFailures:
    NODE = Node(node_id="n", node_type="x", title="X")

    @pytest.mark.parametrize(
        ("step", "component"),
        [
            (tool_step(status="failed", node=NODE), "tool"),
            (llm_step(status="failed", node=NODE), "llm"),
            (retrieval_step(status="failed", node=NODE), "retrieval"),
            (http_step(status="failed"), "node"),
            (node_step(status="failed"), "node"),
            (node_step(status="failed", kind="agent"), "node"),
        ],
    )
    def test_count_once_under_the_most_specific_component(self, step, component):
        assert [labels["component"] for labels, _ in found(of_step(step), "dify_failures_total")] == [component]

    def test_count_when_they_were_handled_too(self):
        assert found(of_step(tool_step(status="failed", handled=True)), "dify_failures_total")

    def test_without_a_type_are_of_the_other_type(self):
        seen = of_step(llm_step(status="failed", error_type=""))
        assert [labels["error_type"] for labels, _ in found(seen, "dify_failures_total")] == ["_OTHER"]

    @pytest.mark.parametrize("status", ["succeeded", "stopped", "unknown"])
    def test_are_nothing_else(self, status):
        assert not found(of_step(tool_step(status=status)), "dify_failures_total")


class TestDurations:
    @staticmethod
    def durations(**changes):
        return [value for _, value in found(of_step(tool_step(**changes)), "dify_tool_call_duration_seconds")]

    def test_estimated_times_still_give_a_duration(self):
        """A tool call's length is Dify's own even where its start was worked out."""
        assert self.durations(estimated=True) == [SECOND // 2]
        assert self.durations(estimated=True, status="failed") == [SECOND // 2]
        assert self.durations(estimated=True, provisional=True) == [SECOND // 2]

    def test_no_length_and_estimated_means_that_nobody_knows(self):
        assert self.durations(started_at=5, ended_at=5, estimated=True) == []

    def test_no_length_as_recorded_is_a_length(self):
        assert self.durations(started_at=5, ended_at=5) == [0]

    @pytest.mark.parametrize("status", ["stopped", "unknown"])
    def test_the_estimated_end_of_what_never_ended_gives_none(self, status):
        assert self.durations(estimated=True, status=status) == []
        assert self.durations(estimated=False, status=status) == [SECOND // 2]

    def test_a_length_that_nothing_can_have_gives_none(self):
        """One of 292 years would stay in the sum for ever."""
        assert self.durations(started_at=5, ended_at=2**63 - 1) == []

    def test_an_end_before_the_start_gives_none(self):
        assert self.durations(started_at=6, ended_at=5) == []


class TestTokens:
    @staticmethod
    def tokens(kept: Usage) -> dict[str, int]:
        seen = of_step(llm_step(usage=kept))
        return {labels["direction"]: value for labels, value in found(seen, "dify_tokens_total")}

    def test_only_the_sum_is_known(self):
        assert self.tokens(Usage(total_tokens=93)) == {"unsplit": 93}

    def test_one_direction_is_known(self):
        assert self.tokens(Usage(input_tokens=40, total_tokens=93)) == {"input": 40, "unsplit": 53}

    def test_both_are_known(self):
        assert self.tokens(Usage(input_tokens=75, output_tokens=0, total_tokens=75)) == {"input": 75, "output": 0}

    def test_nothing_is_known(self):
        assert self.tokens(Usage()) == {}

    def test_nothing_below_zero_is_ever_added(self):
        assert self.tokens(Usage(input_tokens=-5, output_tokens=-1, total_tokens=-6)) == {}

    @given(st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6), st.integers(0, 10**7))
    def test_the_directions_make_the_sum(self, given_, made, total):
        whole = (given_ or 0) + (made or 0)
        split = given_ is not None and made is not None
        kept = Usage(input_tokens=given_, output_tokens=made, total_tokens=whole if split else max(whole, total))
        assert sum(self.tokens(kept).values()) == kept.total_tokens


class TestMoney:
    @staticmethod
    def seen(price: str, currency: str = "USD") -> list[Measure]:
        return of_step(llm_step(usage=usage(price=price, currency=currency)))

    def test_no_price_and_no_currency_is_no_money(self):
        assert "dify_cost_total" not in names(self.seen("0", ""))

    def test_free_of_charge_is_a_price(self):
        assert [value for _, value in found(self.seen("0E-7"), "dify_cost_total")] == [0]

    @pytest.mark.parametrize(
        "price",
        ["", "free", "NaN", "sNaN", "Infinity", "-Infinity", "-0.01", "1e18", "1E999999999", "9" * 65, "0x10", "1,5"],
    )
    def test_hostile_prices_are_counted_and_add_nothing(self, price):
        seen = self.seen(price)
        assert price_units(price) is None
        assert "dify_cost_total" not in names(seen)
        assert found(seen, "dify_cost_unreadable_total") == [({}, 1)]

    @pytest.mark.parametrize(
        ("price", "units"),
        [
            ("0.0003675", 3_675_000),
            ("1", 10**10),
            ("0E-7", 0),
            ("0E+999999", 0),
            ("1e-999999", 0),
            ("0.00000000005", 0),
            ("0.00000000015", 2),
            ("0.00000000025", 2),
            ("-0", 0),
            ("999999999999999999.9999999999", 10**28 - 1),
        ],
    )
    def test_units_are_rounded_half_to_even(self, price, units):
        assert price_units(price) == units

    @given(st.text(max_size=70) | st.decimals().map(str) | st.floats().map(repr))
    def test_no_text_raises_and_no_amount_is_below_zero(self, price):
        units = price_units(price)
        assert units is None or 0 <= units <= 10**28

    @given(st.decimals(min_value=0, max_value=10**9, places=10, allow_nan=False))
    def test_ten_decimals_are_exact(self, price):
        assert Decimal(price_units(format(price, "f"))) == price * 10**10


class TestLabels:
    def test_what_prints_stays(self):
        assert label("查询接口 /v1 – “x”") == "查询接口 /v1 – “x”"

    def test_control_characters_become_blanks(self):
        assert label("\x00a\nb\u202ec\ud800") == "a b c"

    @given(st.text(st.characters(exclude_categories=()), max_size=300))
    def test_are_bounded_and_always_print(self, text):
        shown = label(text)
        assert len(shown) <= LABEL_CHARS
        assert shown.isprintable()
        assert label(shown) == shown

    def test_hostile_texts_reach_no_series(self):
        long = "x" * 5_000
        turn = turn_ref(tenant_id=long, app_id=long, mode=long, invoke_from=long, app_name="\n" + long)
        step = tool_step(tool=Tool(name=long, provider=long), error_type=long, status="failed")
        for measure in [
            *of(turn_started(turn)),
            *of(StepEnded(turn=turn, step=step)),
            *of(TurnEnded(turn, 0, 0, "failed")),
        ]:
            assert all(len(value) <= LABEL_CHARS for value in measure.labels.values())


class TestFactsBesideTheTurns:
    @pytest.mark.parametrize(
        ("body", "labels"),
        [
            (changed(FeedbackGiven), {"rating": "dislike", "source": "user"}),
            (changed(FeedbackGiven, rating="like", given_by="admin"), {"rating": "like", "source": "admin"}),
            (changed(FeedbackGiven, rating="meh", given_by="robot"), {"rating": "other", "source": "other"}),
        ],
    )
    def test_a_rating_counts_each_time_it_is_given(self, body, labels):
        """Dify rewrites the row when a rating is changed: that is another rating given."""
        assert found(of(body), "dify_feedback_total") == [(labels, 1)]
        assert "dify_feedback_withdrawn_total" not in names(of(body))

    def test_a_rating_taken_back_counts_apart(self):
        """So that neither metric has two meanings: what is given is never counted down."""
        assert found(of(changed(FeedbackWithdrawn)), "dify_feedback_withdrawn_total") == [
            ({"rating": "dislike", "source": "user"}, 1)
        ]

    def test_ratings_are_there_as_zero_from_the_first_message_on(self):
        zero = [({"rating": "like", "source": "user"}, 0)]
        assert found(of(turn_started()), "dify_feedback_total") == zero
        assert found(of(turn_started(turn_ref(message_id=""))), "dify_feedback_total") == []

    def test_a_change_counts_in_each_part_that_it_touched(self):
        assert found(of(changed(ConfigChanged)), "dify_config_changes_total") == [
            ({"what": "model"}, 1),
            ({"what": "prompt"}, 1),
        ]

    @pytest.mark.parametrize(
        ("was", "what", "count"),
        [("", (), 0), ("before", (), 1), ("before", ("colours",), 1), ("fedcba9876543210", (), 0)],
        ids=["first sight", "rewritten in place", "a part that is new to us", "published again"],
    )
    def test_what_is_a_change(self, was, what, count):
        """The first sight of a configuration is none, nor is the same one published again."""
        body = changed(ConfigChanged, was=was, what=what)
        assert found(of(body), "dify_config_changes_total") == [({"what": "other"}, count)]

    @pytest.mark.parametrize("status", ["succeeded", "failed", "rate_limited"])
    def test_a_trigger_counts_when_it_is_over(self, status):
        labels = {"trigger_type": "trigger-webhook", "status": status}
        assert found(of(changed(TriggerLogged, status=status)), "dify_triggers_total") == [(labels, 1)]

    @pytest.mark.parametrize("status", ["pending", "queued", "running", "paused", "retrying"])
    def test_a_trigger_under_way_does_not_count(self, status):
        assert of(changed(TriggerLogged, status=status)) == []

    def test_words_that_dify_may_bring_are_other(self):
        body = changed(TriggerLogged, status="melted", trigger_type="trigger-moon")
        labels = {"trigger_type": "other", "status": "other"}
        assert found(of(body), "dify_triggers_total") == [(labels, 1)]

    def test_a_document_counts_by_dataset_and_has_no_app(self):
        body = changed(IndexingChanged)
        [measure] = [each for each in of(body) if each.metric == "dify_indexing_changes_total"]
        assert measure.labels == {"tenant_id": body.tenant_id, "dataset_id": body.dataset_id, "status": "failed"}

    def test_workspaces_have_names_by_turns_configurations_and_documents(self):
        for body in (turn_started(turn_ref(tenant_name="Acme")), changed(ConfigChanged), changed(IndexingChanged)):
            [measure] = [each for each in of(body) if each.metric == "dify_workspace_info"]
            assert measure.labels["tenant_name"] == "Acme"
        assert "dify_workspace_info" not in names(of(turn_started()))

    @given(any_recorded)
    def test_any_fact_can_be_measured_and_stays_within_its_labels(self, fact):
        known = {each.name: each for each in CATALOGUE}
        for measure in measures(fact):
            definition = known[measure.metric]
            assert set(measure.labels) == set(definition.labels)
            assert all(measure.labels[name] in values for name, values in definition.closed.items())
            assert all(len(value) <= LABEL_CHARS for value in measure.labels.values())


class TestRemarks:
    @pytest.mark.parametrize(
        ("changes", "metric"),
        [
            ({"tokens_disagree": True}, "dify_token_mismatch_total"),
            ({"annotation_id": "a"}, "dify_annotation_replies_total"),
            ({"moderated": True}, "dify_moderated_turns_total"),
        ],
    )
    def test_what_else_is_to_be_said_of_a_turn(self, changes, metric):
        """Each is there as 0 before the first one that counts."""
        assert found(of(turn_ended()), metric) == [({}, 0)]
        assert found(of(turn_ended(**changes)), metric) == [({}, 1)]

    def test_no_annotation_and_no_moderation_without_a_message(self):
        seen = names(of(turn_ended(turn_ref(message_id=""))))
        assert not {"dify_annotation_replies_total", "dify_moderated_turns_total"} & seen


class TestInsideAgentNodes:
    def test_calls_of_an_agent_node_count_as_calls_and_not_as_nodes(self):
        """Its model and tool calls are steps without a node of their own; the agent node itself is one node."""
        flow = chatflow_ref()
        agent = node_step(flow, 1, "agent", kind="agent", model_name="gpt")
        steps = [agent, llm_step(flow, 2, parent_id=agent.id), tool_step(flow, 3, parent_id=agent.id)]
        seen = [measure for step in steps for measure in of_step(step, flow)]
        assert [labels["node_type"] for labels, _ in found(seen, "dify_nodes_total")] == ["agent"]
        assert len(found(seen, "dify_llm_calls_total")) == 1
        assert len(found(seen, "dify_tool_calls_total")) == 1

    @pytest.mark.parametrize(("own", "childs"), [(usage(), None), (None, usage())])
    def test_tokens_count_once_wherever_they_stand(self, own, childs):
        """At the agent node where its calls have none, else at the calls."""
        agent = node_step(kind="agent", node_type="agent", model_name="gpt", usage=own)
        seen = [*of_step(agent), *of_step(llm_step(usage=childs, parent_id=agent.id))]
        assert sum(value for _, value in found(seen, "dify_tokens_total")) == 75 + 18


class TestWhatWentWrong:
    def test_a_soft_failure_has_a_type_of_its_own(self):
        """Dify called it a success; nothing else says of which type it was."""
        seen = of_step(tool_step(status="failed", soft=True, error_type=""))
        assert found(seen, "dify_failures_total") == [({"component": "tool", "error_type": "soft_failure"}, 1)]

    def test_an_http_node_that_was_refused(self):
        seen = of_step(http_step(status="failed", error_type="http_5xx", http_status=503))
        assert found(seen, "dify_failures_total") == [({"component": "node", "error_type": "http_5xx"}, 1)]

    @pytest.mark.parametrize(("datasets", "label"), [(("d", "d"), "d"), (("d", "e"), "several"), ((), "")])
    def test_a_search_is_of_the_knowledge_base_that_all_hits_are_of(self, datasets, label):
        hits = tuple(Hit(dataset_id=each) for each in datasets)
        seen = of_step(retrieval_step(dataset_id="", hits=hits))
        assert found(seen, "dify_retrievals_total") == [({"dataset_id": label}, 1)]
