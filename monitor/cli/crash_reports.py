"""Crashes of `monitor` itself, to the Sentry project of a `sentry` sink that asks for it, by Sentry's own client.

What is sent: the error's type, its stack without local variables, version and environment. Texts of errors that are not
our own are left out, as they may quote what a row holds. No integrations, no log lines, no breadcrumbs, no host name.
Nothing of Sentry's client is imported where no sink asks for it. Called by `monitor run`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from monitor import __version__, errors
from monitor.errors import MonitorError
from monitor.ports import AdapterConfig
from monitor.sinks.sentry import Config

if TYPE_CHECKING:
    from sentry_sdk import Scope
    from sentry_sdk.types import Event, Hint

__all__ = ["crash_reports", "scrubbed"]

_FLUSH_S = 2.0
_KEPT = frozenset(
    ("event_id", "timestamp", "platform", "level", "exception", "release", "environment", "sdk", "tags", "type")
)
_KEPT_OF_FRAME = frozenset(
    {"filename", "function", "module", "lineno", "in_app", "context_line", "pre_context", "post_context"}
)
_OWN = frozenset(errors.__all__)
_WORDS_KEPT = ("worker", "sink", "source", "notifier", "rule", "reason")


def crash_reports(sinks: Sequence[AdapterConfig]) -> AbstractContextManager[None]:
    """While entered, crashes are reported to the first of these sinks that wants it; does nothing where none does.

    A crash is an exception that is logged with its traceback (a worker that is started again), or that leaves the
    block; errors that the house raises on purpose are none.
    """
    for config in sinks:
        if isinstance(config, Config) and config.own_crashes:
            return _reporting(config)
    return nullcontext()


@contextmanager
def _reporting(config: Config) -> Iterator[None]:
    scope = _scope(config)
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[_Listener(scope), *processors])
    try:
        yield
    except MonitorError:
        raise
    except Exception as exc:
        scope.capture_exception(exc)
        raise
    finally:
        structlog.configure(processors=processors)
        scope.client.close(timeout=_FLUSH_S)


def _scope(config: Config) -> Scope:
    """A client of its own: the process-wide one of `sentry_sdk.init` is left to nobody."""
    import sentry_sdk  # noqa: PLC0415 - a tenth of a second, for those who ask for it

    client = sentry_sdk.Client(
        dsn=config.dsn.get_secret_value(),
        release=f"dify-monitor@{__version__}",
        environment=config.environment or None,
        server_name="",
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[],
        include_local_variables=False,
        send_default_pii=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        before_send=scrubbed,
        ca_certs=config.certificate or None,
    )
    return sentry_sdk.Scope(client=client)


def scrubbed(event: Event, hint: Hint) -> Event:
    """Only what is known to be harmless stays; meant for the client's `before_send`."""
    del hint
    kept: dict[str, Any] = {name: value for name, value in event.items() if name in _KEPT}
    kept["logger"] = "monitor"
    for exception in (kept.get("exception") or {}).get("values") or ():
        _scrub(exception)
    return kept  # type: ignore[return-value]


def _scrub(exception: dict[str, Any]) -> None:
    own = exception.get("module") == errors.__name__ and exception.get("type") in _OWN
    if not own:
        exception["value"] = ""
    for frame in (exception.get("stacktrace") or {}).get("frames") or ():
        for name in set(frame) - _KEPT_OF_FRAME:
            del frame[name]


class _Listener:
    """A structlog processor that reports the exceptions it sees, and changes nothing."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __call__(self, logger: WrappedLogger, name: str, event_dict: EventDict) -> EventDict:
        """A structlog processor."""
        del logger, name
        error = _error_in(event_dict.get("exc_info"))
        if error is not None and not isinstance(error, MonitorError):
            scope = self._scope.fork()
            scope.set_tag("event", str(event_dict.get("event", "")))
            for word in _WORDS_KEPT:
                if word in event_dict:
                    scope.set_tag(word, str(event_dict[word]))
            scope.capture_exception(error)
        return event_dict


def _error_in(exc_info: object) -> BaseException | None:
    """The exception that a log call names: itself, `sys.exc_info()`, or True for the present one."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exception() if exc_info else None
