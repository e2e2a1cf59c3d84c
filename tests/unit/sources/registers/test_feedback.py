"""Ratings and annotations: each is told once, as often as it changes, and when it goes.

Dify keeps a rating in `message_feedbacks`: giving one inserts a row, another rating rewrites it in place (up to 1.9
without touching `updated_at`), taking it back deletes the row. Annotations are rows of `message_annotations`.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.model import AnnotationMade, AnnotationRemoved, FeedbackGiven, FeedbackWithdrawn, SourceGap
from tests.support.reading import pseudonym
from tests.unit.sources.registers.dify import DAY_US, Reader, Small, names, row_id


def test_a_rating_is_told_once_with_its_turn() -> None:
    dify = Small()
    message = dify.message(1)
    dify.feedback(1, message, "like", content="great")
    reader = Reader(dify)
    (event,) = reader.read()
    body = event.body
    assert isinstance(body, FeedbackGiven)
    assert event.key == f"{message}:feedback:{row_id('f', 1)}:0"
    assert (body.turn.turn_id, body.turn.app_id, body.turn.app_name, body.turn.mode) == (
        message,
        "chat",
        "Chat",
        "chat",
    )
    assert (body.turn.tenant_id, body.turn.tenant_name, body.turn.conversation_id) == ("t", "Workspace", "c")
    assert (body.rating, body.given_by, body.was) == ("like", "user", "")
    assert body.user == body.turn.user == pseudonym("ann")
    assert event.content == {"comment": "great", "user": "ann"}
    assert event.occurred_at == DAY_US * 1000
    assert reader.settle() == []


def test_a_chatflows_rating_belongs_to_its_run() -> None:
    dify = Small()
    run = dify.put("workflow_runs", row_id("b", 1), app="advanced-chat", workflow="w")
    dify.put("workflows", "w", app="advanced-chat", graph='{"nodes": []}')
    dify.feedback(1, dify.message(1, "advanced-chat", run=run))
    event = next(event for event in Reader(dify).read() if isinstance(event.body, FeedbackGiven))
    body = event.body
    assert isinstance(body, FeedbackGiven)
    assert event.key.startswith(f"{run}:feedback:")
    assert (body.turn.run_id, body.turn.workflow_id, body.turn.message_id) == (run, "w", row_id("a", 1))
    assert body.turn.config_hash == dify.definitions(["w"])["w"].hash


def test_a_rating_s_turn_has_its_turn_s_configuration_or_none() -> None:
    """Never what came into force since: rated long after, under another prompt, or its conversation deleted."""
    dify = Small()
    for name in ("old", "new"):
        dify.put("app_model_configs", name, app="chat", columns={"pre_prompt": name})
        dify.now += 10
    hashes = {name: config.hash for name, config in dify.configs(["old", "new"]).items()}
    dify.rows["apps"]["chat"]["config_id"] = "new"
    dify.put("conversations", "pinned", deleted=False, config="old")
    dify.put("conversations", "c", deleted=False, config=None)
    pinned, before = dify.message(1, conversation="pinned"), dify.message(2)
    after, gone, tried = dify.message(3), dify.message(4, conversation="gone"), dify.message(5)
    dify.put("messages", before, created=dify.at(5))
    dify.put("messages", tried, tried='{"pre_prompt": "old", "model": {}}')
    messages = [pinned, before, after, gone, tried]
    for number, message in enumerate(messages):
        dify.feedback(number, message)
    given = [event.body for event in Reader(dify).read() if isinstance(event.body, FeedbackGiven)]
    found = {body.turn.message_id: body.turn.config_hash for body in given}
    assert [found[each] for each in messages] == [hashes["old"], "", hashes["new"], "", hashes["old"]]


def test_a_rating_changed_without_a_new_time_is_told_as_a_change() -> None:
    """Up to Dify 1.9 a changed rating leaves `updated_at` as it was: contents are compared, and the time is ours."""
    dify = Small()
    message = dify.message(1)
    row = dify.feedback(1, message, "like")
    reader = Reader(dify)
    reader.read()
    dify.rows["message_feedbacks"][row].update(rating="dislike", content="no")
    (event,) = reader.read()
    assert isinstance(event.body, FeedbackGiven)
    assert (event.body.rating, event.body.was, event.key[-2:]) == ("dislike", "like", ":1")
    assert event.occurred_at == dify.now_us() * 1000
    dify.rows["message_feedbacks"][row].update(content="never", updated=dify.at())
    (event,) = reader.read()
    assert isinstance(event.body, FeedbackGiven)
    assert (event.body.was, event.key[-2:], event.content["comment"]) == ("dislike", ":2", "never")
    assert event.occurred_at == dify.rows["message_feedbacks"][row]["updated"] * 1000
    assert reader.settle() == []


def test_a_withdrawn_rating_is_told_while_its_message_is_there() -> None:
    dify = Small()
    row = dify.feedback(1, dify.message(1), "dislike", source="admin", end_user=None, account="boss")
    reader = Reader(dify)
    reader.read()
    dify.delete("message_feedbacks", row)
    (event,) = reader.read()
    assert isinstance(event.body, FeedbackWithdrawn)
    assert (event.body.rating, event.body.given_by, event.key[-2:]) == ("dislike", "admin", ":1")
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_a_rating_that_went_with_its_message_or_app_was_not_withdrawn() -> None:
    """Deleting a conversation (Dify 1.8 and later) or an app takes the ratings along."""
    dify = Small()
    dify.feedback(1, dify.message(1))
    dify.feedback(2, dify.message(2, "workflow"))
    reader = Reader(dify)
    reader.read()
    dify.delete("message_feedbacks", row_id("f", 1))
    dify.delete("messages", row_id("a", 1))
    dify.delete("message_feedbacks", row_id("f", 2))
    dify.delete("apps", "workflow")
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_a_rating_of_a_deleted_message_is_told_with_what_is_known() -> None:
    dify = Small()
    dify.feedback(1, row_id("a", 9))
    (event,) = Reader(dify).read()
    assert isinstance(event.body, FeedbackGiven)
    turn = event.body.turn
    assert (turn.turn_id, turn.message_id, turn.app_name, turn.tenant_id) == (
        row_id("a", 9),
        row_id("a", 9),
        "Chat",
        "t",
    )


def test_a_table_that_can_no_longer_be_read_withdraws_nothing() -> None:
    """A right that was taken away, or a question that fails, must not look like rows that were deleted."""
    dify = Small()
    dify.feedback(1, dify.message(1))
    reader = Reader(dify)
    reader.read()
    kept = dify.rows.pop("message_feedbacks")
    assert reader.settle() == []
    dify.rows["message_feedbacks"] = kept
    assert reader.settle() == []


def test_a_row_that_cannot_be_understood_is_one_gap_and_stops_nothing() -> None:
    dify = Small()
    message = dify.message(1)
    dify.feedback(1, message, end_user="bad")
    dify.feedback(2, message)

    def pseudonym_that_fails(user: str) -> str:
        if user == "bad":
            raise ValueError("no such user")
        return user

    reader = Reader(dify, pseudonym_that_fails)
    events = reader.read()
    assert sorted(type(event.body).__name__ for event in events) == ["FeedbackGiven", "SourceGap"]
    gap = next(event for event in events if isinstance(event.body, SourceGap))
    assert gap.key == f"source:dify:gap:message_feedbacks {row_id('f', 1)}:0"
    assert reader.settle() == []
    dify.delete("message_feedbacks", row_id("f", 1))
    assert reader.settle() == []


# -- annotations


def annotation(dify: Small, number: int, message: str | None = None, **columns: object) -> str:
    given = {"app": "chat", "message": message, "question": "q", "answer": "a", "account": "boss", "updated": dify.at()}
    return dify.put("message_annotations", row_id("e", number), **(given | columns))


def test_an_annotation_is_made_changed_and_removed() -> None:
    dify = Small()
    message = dify.message(1)
    row = annotation(dify, 1, message)
    reader = Reader(dify)
    (made,) = reader.read()
    assert isinstance(made.body, AnnotationMade)
    assert made.key == f"app:chat:annotation:{row}:0"
    assert (made.body.message_id, made.body.turn_id, made.body.changed) == (message, message, False)
    assert made.body.user == pseudonym("boss")
    assert made.content == {"question": "q", "answer": "a", "user": "boss"}
    dify.put("message_annotations", row, answer="another")
    (changed,) = reader.read()
    assert isinstance(changed.body, AnnotationMade)
    assert (changed.body.changed, changed.key[-2:], changed.content["answer"]) == (True, ":1", "another")
    dify.delete("message_annotations", row)
    (removed,) = reader.read()
    assert isinstance(removed.body, AnnotationRemoved)
    assert (removed.body.turn_id, removed.key[-2:], removed.body.app.app_name) == (message, ":2", "Chat")
    assert reader.settle() == []


def test_a_hit_is_no_change() -> None:
    """Each answer that comes from an annotation counts up in its row, and from 1.10 on moves `updated_at`."""
    dify = Small()
    row = annotation(dify, 1)
    reader = Reader(dify)
    reader.read()
    dify.now += 100
    dify.put("message_annotations", row, hit_count=7, updated=dify.at())
    assert reader.settle() == []


def test_an_annotation_names_its_turn_where_it_can_be_known() -> None:
    """Of a deleted message only its own id is left: in a chatflow that is not the turn's."""
    dify = Small()
    run = row_id("b", 1)
    rows = [
        annotation(dify, 1, dify.message(1, "advanced-chat", run=run), app="advanced-chat"),
        annotation(dify, 2, row_id("a", 8)),
        annotation(dify, 3, row_id("a", 9), app="advanced-chat"),
        annotation(dify, 4),
    ]
    made = [event.body for event in Reader(dify).read()]
    turns = {body.annotation_id: body.turn_id for body in made if isinstance(body, AnnotationMade)}
    assert [turns[row] for row in rows] == [run, row_id("a", 8), "", ""]


# -- everything exactly once

_CHANGES = st.lists(
    st.tuples(st.sampled_from(["give", "change", "withdraw", "read", "lose"]), st.integers(1, 4)), max_size=30
)


@given(_CHANGES)
def test_whatever_happens_a_rating_ends_as_its_row_stands(changes: list[tuple[str, int]]) -> None:
    """Pages get lost before they are committed, rows change between any two readings.

    No fact is told twice, and the last one about a row says how it stands.
    """
    dify = Small()
    reader = Reader(dify)
    number = 0
    for what, which in changes:
        rows = sorted(dify.rows["message_feedbacks"])
        if what == "give":
            number += 1
            dify.feedback(number, dify.message(which), "like")
        elif what == "read":
            reader.read()
        elif what == "lose":
            dify.now += 31
            reader.page(lose=True)
        elif rows:
            row = rows[which % len(rows)]
            if what == "change":
                flipped = {"like": "dislike", "dislike": "like"}[dify.rows["message_feedbacks"][row]["rating"]]
                dify.put("message_feedbacks", row, rating=flipped)
            else:
                dify.delete("message_feedbacks", row)
    reader.settle()
    assert len(set(names(reader.told))) == len(reader.told)
    last = {}
    for event in reader.told:
        body = event.body
        assert isinstance(body, FeedbackGiven | FeedbackWithdrawn)
        last[body.feedback_id] = body.rating if isinstance(body, FeedbackGiven) else None
    standing = {row["id"]: row["rating"] for row in dify.rows["message_feedbacks"].values()}
    assert {row: rating for row, rating in last.items() if rating} == standing


# -- bounds


def test_history_is_told_in_bounded_pages_and_then_a_reading_costs_the_same() -> None:
    """However many ratings there are: 500 rows a slice, and a pass begins every 30 seconds at most."""
    costs = []
    for count in (600, 2_600):
        dify = Small()
        message = dify.message(1)
        for number in range(count):
            dify.feedback(number, message)
        reader = Reader(dify)
        dify.now += 10
        reader.read(0)
        assert [len(page) for page in reader.pages if page] == [500] * (count // 500) + [count % 500]
        assert len(reader.told) == len(set(names(reader.told))) == count
        dify.now += 31
        before = dify.returned
        assert not reader.page().more
        costs.append(dify.returned - before)
        assert reader.settle() == []
        dify.asked.clear()
        reader.page()
        assert dify.asked["feedbacks"] == 0
    assert costs[0] == costs[1]


def test_ratings_of_a_large_table_are_told_in_the_order_they_were_given() -> None:
    """Ids are random, and a pass goes by id: the order of the ids must not be that of the facts."""
    dify = Small()
    message = dify.message(1)
    order = [(number * 7) % 1_201 for number in range(1_201)]
    for number in order:
        dify.now += 1
        dify.feedback(number, message)
    reader = Reader(dify)
    reader.read()
    for step in range(60):  # ratings go on while the passes do, before and behind the place of the walk
        dify.now += 5
        dify.feedback(2_000 + (step * 31) % 60, message)
        dify.feedback(-1 - (step * 17) % 60, message)
        reader.page()
    reader.settle()
    times = [event.occurred_at for event in reader.told]
    assert times == sorted(times)
    assert len(reader.told) == len(set(names(reader.told))) == 1_201 + 120


def test_what_is_held_back_is_told_as_it_stands_by_then() -> None:
    """Between its finding and its turn a rating is changed, or taken back; a page is lost on the way."""
    dify = Small()
    message = dify.message(1)
    for number in range(700):
        dify.feedback(number, message, "like")
    reader = Reader(dify)
    dify.now += 10
    reader.page()
    dify.put("message_feedbacks", row_id("f", 3), rating="dislike")
    dify.delete("message_feedbacks", row_id("f", 4))
    reader.page()
    reader.page(lose=True)
    reader.settle()
    ratings = {
        event.body.feedback_id: event.body.rating for event in reader.told if isinstance(event.body, FeedbackGiven)
    }
    assert len(reader.told) == len(ratings) == 699
    assert ratings[row_id("f", 3)] == "dislike"
    assert not [key for key in reader.memory.held if key.startswith("n/feedback.held/")]


def test_held_ratings_that_can_no_longer_be_read_are_neither_told_nor_withdrawn() -> None:
    dify = Small()
    message = dify.message(1)
    for number in range(700):
        dify.feedback(number, message)
    reader = Reader(dify)
    reader.settle()
    for number in range(600):
        dify.delete("message_feedbacks", row_id("f", number))
        dify.feedback(number + 1_000, message)
    dify.now += 31
    reader.page()
    reader.page()
    kept = dify.rows.pop("message_feedbacks")
    before = len(reader.told)
    reader.settle()
    assert len(reader.told) == before
    dify.rows["message_feedbacks"] = kept
    reader.settle()
    assert len(reader.told) - before == 1_200


def test_a_pass_begins_every_thirty_seconds_at_most() -> None:
    dify = Small()
    dify.feedback(1, dify.message(1))
    reader = Reader(dify)
    reader.page()
    dify.asked.clear()
    for _ in range(5):
        dify.now += 5
        reader.page()
    assert dify.asked["feedback_slice"] == 0
    dify.now += 6
    reader.page()
    assert dify.asked["feedback_slice"] == 1


def test_long_comments_are_told_in_several_pages() -> None:
    dify = Small()
    message = dify.message(1)
    for number in range(6):
        dify.feedback(number, message, content="x" * (1 << 20))
    reader = Reader(dify)
    reader.read(0)
    assert all(len(page) < 6 for page in reader.pages)
    assert len(reader.told) == len(set(names(reader.told))) == 6


def test_a_thousand_withdrawals_at_once_are_all_told() -> None:
    """The memory is walked in slices too, side by side with the table."""
    dify = Small()
    message = dify.message(1)
    for number in range(1_200):
        dify.feedback(number, message)
    reader = Reader(dify)
    reader.read()
    dify.rows["message_feedbacks"].clear()
    dify.feedback(5_000, message)
    events = reader.settle()
    assert sum(isinstance(event.body, FeedbackWithdrawn) for event in events) == 1_200
    assert len(events) == 1_201
    assert len(set(names(events))) == 1_201


def test_times_of_a_year_nobody_meant_are_kept_within_bounds() -> None:
    dify = Small()
    dify.feedback(1, dify.message(1), created=9_000_000_000_000_000_000, updated=-5)
    (event,) = Reader(dify).read()
    assert 0 <= event.occurred_at < 2**63
