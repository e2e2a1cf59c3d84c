from __future__ import annotations

import pytest

from monitor.errors import Auth, JournalError, Permanent, Retryable, TooLarge
from monitor.model import Notification
from monitor.runtime.courier import Courier
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import BASE_NS, SECOND
from tests.unit.runtime.alert_world import RULE, FakeClock, World, rules

HOUR = 3600


class Channel:
    """Says what it is told to, or raises what it was given."""

    name = "phone"

    def __init__(self):
        self.said: list[Notification] = []
        self.raises: list[Exception] = []

    def notify(self, notification):
        if self.raises:
            raise self.raises.pop(0)
        self.said.append(notification)

    def check(self):
        pass

    def close(self):
        pass


class Log:
    """Keeps what a logger is told."""

    def __init__(self):
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def info(self, event, **fields):
        self.lines.append(("info", event, fields))

    def warning(self, event, **fields):
        self.lines.append(("warning", event, fields))

    def error(self, event, **fields):
        self.lines.append(("error", event, fields))


class Office(World):
    """A world with a courier."""

    def __init__(self, journal, clock, loaded=None, **settings):
        super().__init__(journal, clock, loaded, **settings)
        self.channel, self.log, self.outcomes = Channel(), Log(), []
        self.hire()

    def hire(self, limit=50):
        self.courier = Courier(
            self.journal,
            self.channel,
            self.clock,
            random=lambda: 0.5,
            logger=self.log,
            on_outcome=lambda outcome, reason: self.outcomes.append((outcome, reason)),
            limit=limit,
        )
        return self.courier

    def deliver(self):
        """Everything that can be said; the outcome of the last step."""
        while (outcome := self.courier.step()).progressed:
            pass
        return outcome

    def happens(self, letters, **fields):
        self.feed(letters, **fields)
        self.settle()

    @property
    def heard(self):
        return [(said.now, said.reason) for said in self.channel.said]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def journal(clock):
    return MemoryJournal(clock)


@pytest.fixture
def office(journal, clock):
    made = Office(journal, clock)
    made.courier.start()
    return made


def test_says_an_alert_and_its_end(office):
    office.happens("FFFFF S")
    assert not office.deliver().progressed
    firing, resolved = office.channel.said
    alert = office.changes()[0].alert
    assert firing.id == f"{alert.fingerprint}-1"
    assert (firing.alert, firing.was, firing.now, firing.reason) == (alert, "inactive", "firing", "condition_met")
    assert firing.at == alert.since
    assert resolved.id == f"{alert.fingerprint}-2"
    assert resolved.now == "resolved"
    assert resolved.at == BASE_NS + 5 * SECOND
    assert office.outcomes == [("said", "")] * 2


def test_says_nothing_twice(office):
    office.happens("FFFFF")
    office.deliver()
    office.hire()
    office.deliver()
    assert len(office.channel.said) == 1


def test_a_crash_after_saying_repeats_it_under_the_same_id(office, monkeypatch):
    office.happens("FFFFF")

    def crash(*_args, **_settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(office.journal, "advance", crash)
        with pytest.raises(KeyboardInterrupt):
            office.courier.step()
    office.hire()
    office.deliver()
    first, second = office.channel.said
    assert first == second


def test_history_and_its_end_stay_unsaid(office):
    office.happens("FFFFF", age_s=HOUR + 1)
    office.happens("S", age_s=HOUR + 1)
    office.deliver()
    assert len(office.changes()) == 2
    assert office.heard == []


def test_pending_stays_unsaid(journal, clock):
    office = Office(journal, clock, rules(RULE + "    for: 30s\n"))
    office.courier.start()
    office.happens("FFFFF S")
    office.deliver()
    assert [change.now for change in office.changes()] == ["pending", "inactive"]
    assert office.heard == []


def test_what_goes_on_from_history_is_said(office):
    office.happens("FFFFF", age_s=HOUR + 10)
    office.told += HOUR + 20
    office.happens("F")
    office.happens("S")
    office.deliver()
    assert office.heard == [("firing", "still_holds"), ("resolved", "condition_cleared")]


def test_late_is_passed_on(office):
    office.happens("S", turn={"app_name": "x"})
    office.told -= 20
    office.happens("FFFFF")
    office.deliver()
    assert [said.late for said in office.channel.said] == [True]


def test_a_new_channel_hears_of_nothing_old(office):
    """What the journal held before the channel's first start was for others."""
    office.happens("FFFFF")
    office.deliver()
    office.channel = Channel()
    office.channel.name = "pager"
    office.hire()
    office.deliver()
    assert office.heard == []
    office.happens("S FFFFF")
    office.deliver()
    assert office.heard == [("resolved", "condition_cleared"), ("firing", "condition_met")]


def test_a_first_run_over_an_empty_journal_says_all(office):
    """`start` came before the first fact, as the supervisor sees to it; the first step may come much later."""
    office.happens("FFFFF")
    office.deliver()
    assert office.heard == [("firing", "condition_met")]


def test_a_first_step_starts_by_itself(journal, clock):
    office = Office(journal, clock)
    assert not office.courier.step().progressed
    office.happens("FFFFF")
    office.deliver()
    assert len(office.channel.said) == 1


def test_an_alert_from_a_long_silence_is_still_said(office, clock):
    """The channel was dead for a day, and the process was started anew meanwhile: the alert is said, however old."""
    office.happens("FFFFF")
    office.channel.raises = [Retryable("down")]
    assert office.deliver().retry_in_s is not None
    clock.time_ns += 24 * HOUR * SECOND
    office.hire()
    office.courier.start()
    office.deliver()
    assert office.heard == [("firing", "condition_met")]


def test_waits_longer_each_time_and_forgets_it_after_a_success(office):
    office.happens("FFFFF S FFFFF")
    office.channel.raises = [Retryable("down", reason="timeout") for _ in range(8)]
    waits = [office.deliver().retry_in_s for _ in range(8)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert office.outcomes == [("retry", "timeout")] * 8
    office.deliver()
    assert len(office.channel.said) == 3
    office.happens("S")
    office.channel.raises = [Retryable("down")]
    assert office.deliver().retry_in_s == 0.5


def test_a_named_delay_is_kept(office):
    office.happens("FFFFF")
    office.channel.raises = [Retryable("busy", reason="rate_limited", after_s=90)]
    outcome = office.deliver()
    assert outcome.retry_in_s == 90
    assert isinstance(outcome.error, Retryable)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Permanent("no such field", reason="bad_request"), "bad_request"), (TooLarge("413"), "too_large")],
)
def test_what_will_never_be_taken_is_parked_and_passed(office, error, reason):
    office.happens("FFFFF S")
    office.channel.raises = [error]
    office.deliver()
    assert office.heard == [("resolved", "condition_cleared")]
    (rejection,) = office.journal.rejected("notify:phone")
    assert (rejection.consumer, rejection.reason) == ("notify:phone", reason)
    assert rejection.seq == office.recorded()[0].seq
    assert office.outcomes == [("rejected", reason), ("said", "")]
    ((level, event, _),) = office.log.lines
    assert (level, event) == ("error", "notification_rejected")


def test_refused_credentials_hold_everything_and_are_shouted(office):
    """It is nobody's fault but the configuration's: nothing is dropped for it."""
    office.happens("FFFFF S")
    office.channel.raises = [Auth("401"), Auth("401")]
    assert office.deliver().retry_in_s == 60
    assert office.deliver().retry_in_s == 60
    assert [(level, event) for level, event, _ in office.log.lines] == [("error", "notifier_refused_credentials")] * 2
    office.deliver()
    assert office.heard == [("firing", "condition_met"), ("resolved", "condition_cleared")]


def test_each_notification_is_committed_by_itself(office):
    office.happens("FFFFF S FFFFF")
    office.channel.raises = []
    office.hire(limit=50)
    says = office.channel.notify

    def second_fails(notification):
        if len(office.channel.said) == 1:
            raise Retryable("down")
        says(notification)

    office.channel.notify = second_fails
    office.deliver()
    assert len(office.channel.said) == 1
    del office.channel.notify
    office.hire()
    office.deliver()
    assert [said.alert.changes for said in office.channel.said] == [1, 2, 3]


def test_passes_over_other_events(office):
    office.happens("FFFFFFFF")
    office.deliver()
    position, _ = office.journal.cursor("notify:phone")
    assert position == office.journal.head()


def test_an_idle_courier_writes_nothing(office, monkeypatch):
    office.happens("FFFFF")
    office.deliver()

    def refuse(*_args, **_settings):
        raise AssertionError

    monkeypatch.setattr(office.journal, "advance", refuse)
    assert not office.courier.step().progressed


def test_small_batches_lose_nothing(office):
    office.happens("FFFFF S FFFFF S FFFFF S")
    office.hire(limit=1)
    office.deliver()
    assert len(office.channel.said) == 6


def test_a_journal_in_trouble_is_tried_again(office, monkeypatch):
    def refuse(*_args, **_settings):
        raise JournalError("the disk went away")

    monkeypatch.setattr(office.journal, "read", refuse)
    outcome = office.courier.step()
    assert outcome.retry_in_s == 5
    assert isinstance(outcome.error, JournalError)
    assert office.outcomes == []


def test_a_fault_of_the_channel_is_the_supervisors(office):
    """What no error of ours names is not guessed at: the supervisor starts the worker anew, nothing is lost."""
    office.happens("FFFFF")
    office.channel.raises = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        office.courier.step()
    office.deliver()
    assert len(office.channel.said) == 1
