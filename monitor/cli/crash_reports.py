"""Crashes of `monitor` itself, to the Sentry project of a `sentry` sink that asks for it, by Sentry's own client.

What is sent: the error's type, its stack without local variables, version, environment. Texts of errors are left out,
as they may quote what a row holds or a server said of it. No integrations, no log lines, no breadcrumbs, no host name.
A crash that comes again within the hour is counted, not sent: a worker that fails each minute must not burn a quota.
Nothing of Sentry's client is imported where no sink asks for it. Called by `monitor run`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from monitor import __version__
from monitor.clock import SystemClock
from monitor.errors import MonitorError
from monitor.ports import AdapterConfig, Clock
from monitor.sinks.sentry import Config

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

__all__ = ["crash_reports", "scrubbed"]

_FLUSH_S = 2.0
_KEPT = frozenset(
    ("event_id", "timestamp", "platform", "level", "exception", "release", "environment", "sdk", "tags", "type")
)
_KEPT_OF_FRAME = frozenset(
    {"filename", "function", "module", "lineno", "in_app", "context_line", "pre_context", "post_context"}
)
_AGAIN_S = 3600.0
_MOST_CRASHES = 64
_TAGS = ("event", "worker", "sink", "source", "notifier", "rule", "reason")


def crash_reports(sinks: Sequence[AdapterConfig], clock: Clock | None = None) -> AbstractContextManager[None]:
    """While entered, crashes are reported to the first of these sinks that wants it; does nothing where none does.

    A crash is an exception that is logged with its traceback (a worker that is started again), or that leaves the
    block; errors that the house raises on purpose are none.
    """
    for config in sinks:
        if isinstance(config, Config) and config.own_crashes:
            return _reporting(config, clock or SystemClock())
    return nullcontext()


@contextmanager
def _reporting(config: Config, clock: Clock) -> Iterator[None]:
    reporter = _Reporter(config, _Repeats(clock))
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[reporter.listen, *processors])
    try:
        yield
    except MonitorError:
        raise
    except Exception as exc:
        reporter.tell(exc, {})
        raise
    finally:
        structlog.configure(processors=processors)
        reporter.close()


class _Repeats:
    """Which crash was told when, and how often it came since. Thread-safe and bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}

    def since_told(self, error: BaseException) -> int | None:
        """How often the crash came untold before this time; None where it is not to be told now."""
        crash, now = _crash(error), self._clock.monotonic()
        with self._lock:
            told_at, untold = self._told.pop(crash, (-_AGAIN_S, 0))
            if is_news := now - told_at >= _AGAIN_S:
                self._told[crash] = now, 0
            else:
                self._told[crash] = told_at, untold + 1
            if len(self._told) > _MOST_CRASHES:
                self._told.pop(next(iter(self._told)))
        return untold if is_news else None


def _crash(error: BaseException) -> tuple[str, ...]:
    """What makes two crashes the same: the error's type, and where it was raised."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "" if frame is None else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    return type(error).__module__, type(error).__qualname__, place


class _Reporter:
    """A client of our own: the process-wide one of `sentry_sdk.init`, and its hooks, are left alone."""

    def __init__(self, config: Config, repeats: _Repeats) -> None:
        import sentry_sdk  # noqa: PLC0415 - a tenth of a second, for those who ask for it

        self._repeats = repeats
        self._client = sentry_sdk.Client(
            dsn=config.dsn.get_secret_value(),
            release=f"dify-monitor@{__version__}",
            environment=config.environment or None,
            server_name="",
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[],
            include_local_variables=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            before_send=scrubbed,
            ca_certs=config.certificate or None,
        )

    def tell(self, error: BaseException, tags: Mapping[str, str]) -> None:
        """Hand the error to the client, which sends it from a thread of its own."""
        from sentry_sdk.utils import event_from_exception  # noqa: PLC0415 - loaded already

        untold = self._repeats.since_told(error)
        if untold is None:
            return
        event, hint = event_from_exception(error, client_options=self._client.options)
        event["tags"] = {**tags, "repeats": str(untold)} if untold else dict(tags)
        self._client.capture_event(event, hint)

    def listen(self, logger: WrappedLogger, name: str, event_dict: EventDict) -> EventDict:
        """A structlog processor that tells of the exceptions that pass, and changes nothing."""
        del logger, name
        error = _error_in(event_dict.get("exc_info"))
        if error is not None and not isinstance(error, MonitorError):
            self.tell(error, {word: str(event_dict[word]) for word in _TAGS if word in event_dict})
        return event_dict

    def close(self) -> None:
        """Send what is waiting, for two seconds at most."""
        self._client.close(timeout=_FLUSH_S)


def scrubbed(event: Event, hint: Hint) -> Event:
    """Only what is known to be harmless stays; meant for the client's `before_send`."""
    del hint
    kept: dict[str, Any] = {name: value for name, value in event.items() if name in _KEPT}
    kept["logger"] = "monitor"
    for exception in (kept.get("exception") or {}).get("values") or ():
        _scrub(exception)
    return kept  # type: ignore[return-value]


def _scrub(exception: dict[str, Any]) -> None:
    exception["value"] = ""
    for frame in (exception.get("stacktrace") or {}).get("frames") or ():
        for name in set(frame) - _KEPT_OF_FRAME:
            del frame[name]


def _error_in(exc_info: object) -> BaseException | None:
    """The exception that a log call names: itself, `sys.exc_info()`, or True for the present one."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exception() if exc_info else None
