"""Tells a cron monitor in Sentry that the sidecar is alive; when it no longer does, Sentry says so to people.

Called by the runtime's scheduler, every `every_s` seconds. https://develop.sentry.dev/sdk/telemetry/check-ins/
"""

from __future__ import annotations

from typing import Any

from monitor.errors import MonitorError
from monitor.ports import Clock, Tools
from monitor.sinks.sentry.envelope import Envelope, derived_id, json_bytes
from monitor.sinks.sentry.settings import Config
from monitor.sinks.sentry.wire import Wire

__all__ = ["Heartbeat", "check_in"]

_MINUTE_NS = 60 * 1_000_000_000
_MARGIN_MIN = 2
"""How late a beat may be before it counts as missed."""


class Heartbeat:
    """One monitor's beats. For one thread, which may be another than the sink's."""

    def __init__(self, config: Config, tools: Tools) -> None:
        self.every_s = config.heartbeat_every_ns / 1_000_000_000
        """The pace that the monitor is told to expect, in seconds."""
        self._config, self._clock, self._logger = config, tools.clock, tools.logger
        self._wire = Wire(config, tools.clock, sends_content=False)

    def beat(self, *, well: bool = True) -> None:
        """Say once that we are alive, and whether all is well. Raises nothing: a beat that is missing says enough."""
        if self._wire.limits.wait_s("monitor"):
            return
        try:
            self._wire.post(check_in(self._config, self._clock, well=well))
        except MonitorError as exc:
            action = "see the sentry sink's address and limits; Sentry will report a missed check-in"
            self._logger.warning("heartbeat_failed", error=str(exc), action=action)

    def close(self) -> None:
        """Let go of the connection; safe twice."""
        self._wire.close()


def check_in(config: Config, clock: Clock, *, well: bool) -> Envelope:
    """The check-in of this period; said twice, it is the same one. Where Sentry has no such monitor it makes one."""
    period = clock.now_ns() // config.heartbeat_every_ns
    minutes = config.heartbeat_every_ns // _MINUTE_NS
    found: dict[str, Any] = {
        "check_in_id": derived_id(f"{config.heartbeat}:{config.heartbeat_every_ns}:{period}", "check-in"),
        "monitor_slug": config.heartbeat,
        "status": "ok" if well else "error",
        "environment": config.environment,
        "release": config.release_name,
        "monitor_config": {
            "schedule": {"type": "interval", "value": minutes, "unit": "minute"},
            "checkin_margin": _MARGIN_MIN,
        },
    }
    payload = json_bytes({name: value for name, value in found.items() if value != ""})
    return Envelope(seq=0, category="monitor", event_id="", item="check_in", payload=payload)
