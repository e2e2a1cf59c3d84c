"""Crashes of `monitor` itself, to the Sentry project of a `sentry` sink that asks for it, by Sentry's own client.

What is sent: the error's type, its stack without local variables, version and environment. Texts of errors that are not
our own are left out, as they may quote what a row holds. No integrations, no log lines, no breadcrumbs, no host name.
Nothing of Sentry's client is imported where no sink asks for it. Called by `monitor run`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from monitor import __version__, errors
from monitor.errors import MonitorError
from monitor.ports import AdapterConfig
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
_OWN = frozenset(errors.__all__)
_TAGS = ("event", "worker", "sink", "source", "notifier", "rule", "reason")


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
    reporter = _Reporter(config)
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


class _Reporter:
    """A client of our own: the process-wide one of `sentry_sdk.init`, and its hooks, are left alone."""

    def __init__(self, config: Config) -> None:
        import sentry_sdk  # noqa: PLC0415 - a tenth of a second, for those who ask for it

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

        event, hint = event_from_exception(error, client_options=self._client.options)
        event["tags"] = dict(tags)
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
    own = exception.get("module") == errors.__name__ and exception.get("type") in _OWN
    if not own:
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
