"""The laws of `monitor.ports.Notifier`, one test each. A test class inherits them and brings a fixture `case`.

Written for pytest and shipped, so that a channel that lives elsewhere is held to the same laws.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from monitor.errors import Auth, MonitorError, Permanent, Retryable, TooLarge
from monitor.model import Alert, Evidence, Notification, StepEnded
from monitor.ports import Notifier
from monitor.testing.rules import story
from monitor.testing.samples import uuid
from monitor.testing.servers import Answer, LocalServer

__all__ = ["HttpNotifierCase", "HttpNotifierLaws", "NotifierCase", "NotifierLaws", "notification"]

_HOSTILE = "\ud800\x00\x1b[2J\u202e{value}%s\r\n'\"<script>" + "x" * 10_000


def notification(**changes: Any) -> Notification:
    """A tool that failed five times in a row. Fields of the Notification and of its Alert may be changed."""
    evidence = tuple(
        Evidence(
            key=recorded.event.key,
            turn_id=body.turn.turn_id,
            step_id=body.step.id,
            at=body.step.ended_at,
            status=body.step.status,
            error_type=body.step.error_type,
            conversation_id=body.turn.conversation_id,
            message_id=body.turn.message_id,
            duration_ns=body.step.ended_at - body.step.started_at,
        )
        for recorded in story("FFFFF")
        if isinstance(body := recorded.event.body, StepEnded)
    )
    fingerprint = "0415f0a79659b9f6851e850b5fa76454"
    alert = Alert(
        fingerprint=fingerprint,
        rule="tool_failed_five_times",
        labels={"app_id": uuid(1, 11), "tool": "query_order_status"},
        severity="page",
        summary="query_order_status failed 5 times in a row in 客服 Agent",
        description="Check the tool's credentials.",
        runbook="https://wiki.example/tools",
        state="firing",
        since=evidence[-1].at,
        changes=1,
        value=5.0,
        evidence=evidence,
    )
    own = {name: changes.pop(name) for name in list(changes) if name in Notification.__struct_fields__}
    said: dict[str, Any] = {
        "id": f"{fingerprint}-1",
        "alert": msgspec.structs.replace(alert, **changes),
        "was": "inactive",
        "now": "firing",
        "reason": "condition_met",
        "at": evidence[-1].at,
    }
    return Notification(**(said | own))


@dataclass(frozen=True)
class NotifierCase:
    """One channel with the other side in the test's hands."""

    notifier: Notifier
    heard: Callable[[], Sequence[bytes]]
    """What arrived at the other side so far, one entry for each notification."""
    cut: Callable[[], None]
    """Make the channel unreachable from now on."""
    secrets: Sequence[str] = ()
    """What must never be shown."""


class NotifierLaws:
    """What every channel must keep to. `case` is a fixture that gives a NotifierCase."""

    def test_says_it_once(self, case: NotifierCase) -> None:
        """One notification arrives as one, and names itself and what it is about."""
        case.notifier.notify(notification())
        (heard,) = case.heard()
        for text in (notification().id, "query_order_status failed 5 times in a row", "tool_failed_five_times"):
            assert text.encode() in heard

    def test_says_the_end(self, case: NotifierCase) -> None:
        """Firing and resolved can be told apart."""
        case.notifier.notify(notification())
        case.notifier.notify(notification(now="resolved", was="firing"))
        firing, resolved = case.heard()
        assert b"firing" in firing.lower()
        assert b"resolved" in resolved.lower()

    def test_the_same_again_is_the_same_bytes(self, case: NotifierCase) -> None:
        """So that whoever gets it twice can see that it is one."""
        case.notifier.notify(notification())
        case.notifier.notify(notification())
        first, second = case.heard()
        assert first == second

    def test_says_anything(self, case: NotifierCase) -> None:
        """Whatever names Dify's users give their tools, it arrives, without raw control characters."""
        labels = {"tool": _HOSTILE}
        case.notifier.notify(
            notification(labels=labels, summary=_HOSTILE, description=_HOSTILE, evidence=(), value=float("nan"))
        )
        (heard,) = case.heard()
        assert b"\x1b" not in heard
        assert b"\x00" not in heard
        heard.decode("utf-8")

    def test_a_cut_channel_is_worth_another_try(self, case: NotifierCase) -> None:
        """Neither saying nor asking raises anything but Retryable, and neither tells secrets."""
        case.cut()
        attempts: list[Callable[[], None]] = [lambda: case.notifier.notify(notification()), case.notifier.check]
        for attempt in attempts:
            with pytest.raises(Retryable) as caught:
                attempt()
            assert not _shows(case, caught.value)

    def test_asking_says_nothing(self, case: NotifierCase) -> None:
        """`check` leaves people in peace."""
        case.notifier.check()
        assert list(case.heard()) == []

    def test_can_be_closed_at_any_time(self, case: NotifierCase) -> None:
        """Before use, after use, and twice."""
        case.notifier.close()
        case.notifier.close()

    def test_closes_after_use(self, case: NotifierCase) -> None:
        """Nothing is left open; the warnings of forgotten sockets are errors here."""
        case.notifier.notify(notification())
        case.notifier.close()
        case.notifier.close()

    def test_has_a_name(self, case: NotifierCase) -> None:
        """For logs, metrics and its cursor."""
        assert case.notifier.name

    def test_keeps_its_secrets(self, case: NotifierCase, caplog: pytest.LogCaptureFixture) -> None:
        """They are in no repr and no log, of libraries from warnings on, as `monitor` hears them."""
        with caplog.at_level(logging.WARNING):
            case.notifier.notify(notification())
        shown = [repr(case.notifier), str(case.notifier), caplog.text]
        assert not [secret for secret in case.secrets if any(secret in text for text in shown)]


@dataclass(frozen=True)
class HttpNotifierCase(NotifierCase):
    """A channel that speaks HTTP to `server`; its timeout is a fraction of a second."""

    server: LocalServer | None = None

    @property
    def other_side(self) -> LocalServer:
        """The server, which every case must have."""
        assert self.server is not None
        return self.server


class HttpNotifierLaws(NotifierLaws):
    """What every channel over HTTP must keep to besides. `case` gives a HttpNotifierCase."""

    @pytest.mark.parametrize(
        ("status", "follows"),
        [
            *((status, None) for status in (200, 201, 202, 204)),
            *((status, Auth) for status in (301, 302, 307, 308, 401, 402, 403, 404, 405, 407, 410)),
            *((status, Retryable) for status in (408, 425, 429, 500, 502, 503, 504, 507)),
            *((status, Permanent) for status in (400, 409, 422, 451)),
            (413, TooLarge),
        ],
    )
    def test_each_status_has_its_consequence(
        self, case: HttpNotifierCase, status: int, follows: type[MonitorError] | None
    ) -> None:
        """A redirect is never followed, and one request is all that is sent."""
        case.other_side.answer(Answer(status, headers={"location": case.other_side.url + "/elsewhere"}))
        if follows is None:
            case.notifier.notify(notification())
        else:
            with pytest.raises(follows):
                case.notifier.notify(notification())
        assert len(case.other_side.requests) == 1

    def test_a_named_delay_is_handed_on(self, case: HttpNotifierCase) -> None:
        """Retry-After of a busy receiver."""
        case.other_side.answer(Answer(429, headers={"retry-after": "17"}))
        with pytest.raises(Retryable) as caught:
            case.notifier.notify(notification())
        assert caught.value.after_s == 17  # noqa: PLR2004 - the header above

    def test_a_receiver_that_hangs_is_left(self, case: HttpNotifierCase) -> None:
        """Back within the timeout, with a reason."""
        case.other_side.hang()
        with pytest.raises(Retryable) as caught:
            case.notifier.notify(notification())
        assert caught.value.reason == "timeout"

    def test_a_cut_connection_is_worth_another_try(self, case: HttpNotifierCase) -> None:
        """The receiver may or may not have heard: it is said again, under the same id."""
        case.other_side.answer(Answer(cut=True), Answer())
        with pytest.raises(Retryable):
            case.notifier.notify(notification())
        case.notifier.notify(notification())
        first, second = case.heard()
        assert first == second

    @pytest.mark.parametrize("status", [400, 401, 413, 429, 500])
    def test_a_talkative_receiver_gives_nothing_away(self, case: HttpNotifierCase, status: int) -> None:
        """Servers do echo what they were sent, and errors end up in logs."""
        body = " ".join(case.secrets).encode()
        case.other_side.answer(Answer(status, body=body, echo="authorization"))
        with pytest.raises(MonitorError) as caught:
            case.notifier.notify(notification())
        assert not _shows(case, caught.value)
        assert str(status) in str(caught.value)


def _shows(case: NotifierCase, error: BaseException) -> list[str]:
    """Secrets in an error or what caused it."""
    texts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        texts += [str(current), repr(current)]
        current = current.__cause__ or current.__context__
    return [secret for secret in case.secrets if any(secret in text for text in texts)]
