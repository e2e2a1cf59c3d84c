"""What `monitor` says of itself on standard error: structlog, for people or as JSON, never more than is useful.

Called once by the commands that run something. Rooms below take a logger and know nothing of this.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.config.settings import LogSettings
from monitor.ports import Clock

__all__ = ["QUIET_S", "DuplicateFilter", "StdlibBridge", "Timestamp", "configure_logs"]

QUIET_S = 30.0
"""How long the same message stays unsaid after it was said."""

_REMEMBERED = 1024
_MS_NS = 1_000_000


def configure_logs(settings: LogSettings, clock: Clock, stream: TextIO | None = None) -> None:
    """Set up structlog, and Python's own logging for the libraries, to write to `stream` (standard error)."""
    out = stream or sys.stderr
    in_colour = out.isatty()
    style = settings.format or ("console" if in_colour else "json")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            DuplicateFilter(clock),
            Timestamp(clock),
            *_rendering(style, colors=in_colour),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[StdlibBridge()], force=True)


class DuplicateFilter:
    """Lets the same message through once in QUIET_S; the next one that passes tells how many were `suppressed`.

    The same is: equal level, event, error and other texts (source, sink, worker); numbers may differ. Thread-safe, and
    it remembers a bounded number of messages.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._said: OrderedDict[tuple[tuple[str, str], ...], tuple[float, int]] = OrderedDict()

    def __call__(self, logger: WrappedLogger, name: str, event_dict: EventDict) -> EventDict:
        """A structlog processor. Raises structlog.DropEvent for what was said just now."""
        del logger, name
        key = _identity(event_dict)
        now = self._clock.monotonic()
        with self._lock:
            said_at, suppressed = self._said.pop(key, (-QUIET_S, 0))
            if now - said_at < QUIET_S:
                self._remember(key, said_at, suppressed + 1)
                raise structlog.DropEvent
            self._remember(key, now, 0)
        return {**event_dict, "suppressed": suppressed} if suppressed else event_dict

    def _remember(self, key: tuple[tuple[str, str], ...], said_at: float, suppressed: int) -> None:
        self._said[key] = said_at, suppressed
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)


class Timestamp:
    """Puts first the time by our Clock (ISO 8601 in UTC, to the millisecond), then level and event."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, logger: WrappedLogger, name: str, event_dict: EventDict) -> EventDict:
        """A structlog processor."""
        del logger, name
        moment = datetime.fromtimestamp(self._clock.now_ns() // _MS_NS / 1000, tz=UTC)
        text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        first = {key: event_dict[key] for key in ("level", "event") if key in event_dict}
        return {"timestamp": text, **first, **event_dict}


class StdlibBridge(logging.Handler):
    """Hands what libraries say through Python's logging to structlog, so that there is one format and one filter."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say the record under its logger's name."""
        say = getattr(structlog.get_logger(), record.levelname.lower(), structlog.get_logger().error)
        say(record.getMessage(), logger=record.name, **({"exc_info": record.exc_info} if record.exc_info else {}))


def _identity(event_dict: MutableMapping[str, Any]) -> tuple[tuple[str, str], ...]:
    told = ((key, str(value)) for key, value in event_dict.items() if isinstance(value, str | BaseException))
    return tuple(sorted(told))


def _rendering(style: str, *, colors: bool) -> list[Processor]:
    # Plain tracebacks in both: the rich ones print local variables, and there are secrets among those.
    if style == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    plain: Callable[..., None] = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, sort_keys=False)]
