"""Profiles: our spans in the words that a backend expects. Pure functions from a span to a span, chosen by name.

`otel` is what `spans.py` gives: OpenTelemetry's conventions for generative AI and Dify's facts as `dify.*`. Every other
profile takes that span and says the same in other words; ids, parents and kinds stay, so that a repeat is the same span
in every profile, and so do times (but for ratings in `openinference`). What of the content may leave was decided
before: a profile sees nothing else of it. Called by sinks that send spans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from monitor.model import Body, Span
from monitor.normalise.profiles import openinference, sentry

__all__ = ["PROFILES", "Profile", "ProfileName"]

ProfileName = Literal["otel", "openinference", "sentry"]


class Profile(NamedTuple):
    """How one backend wants to hear it."""

    span: Callable[[Span, Body], Span]
    """A span of the default profile, and the fact that it is of, in this one's words. Never raises."""
    resource: Callable[[Mapping[str, str]], dict[str, str]]
    """The resource's attributes, likewise."""
    is_otel: bool
    """Whether the names are those of OpenTelemetry's schema."""


def _as_it_is(span: Span, _body: Body) -> Span:
    return span


def _for_sentry(span: Span, _body: Body) -> Span:
    return sentry.span_of(span)


PROFILES: Final[Mapping[ProfileName, Profile]] = {
    "otel": Profile(_as_it_is, dict, is_otel=True),
    "openinference": Profile(openinference.span_of, openinference.resource_of, is_otel=False),
    "sentry": Profile(_for_sentry, dict, is_otel=True),
}
