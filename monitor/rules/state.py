"""The life of an alert: inactive -> pending -> firing -> resolved. Pure: times and facts come in, a change comes out.

It knows neither rules nor texts nor the journal; `monitor.runtime.evaluator` calls it for every fact and, when
nothing is left to read, for the passing of time. While facts are read, the facts' own times move the clock of their
group, so that history read in one go gives the changes that it would have given live, at the same moments.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

import msgspec

from monitor.model import Finding

__all__ = ["Change", "Moment", "Policy", "Reason", "Standing", "deadline_ns", "fingerprint", "observe", "retire"]

Phase = Literal["inactive", "pending", "firing"]

Reason = Literal[
    "condition_met",
    "held_for",
    "still_holds",
    "condition_cleared",
    "keep_elapsed",
    "rule_changed",
    "rule_removed",
]
"""Why an alert changed.

`still_holds`: it was firing from history alone, unknown to people, and a fact of now shows that it is still true.
"""

_PERSON = b"difymon-alert-v1"


class Policy(msgspec.Struct, frozen=True):
    """What a rule says about time."""

    for_ns: int = 0
    """How long the condition must hold before the alert fires."""
    keep_ns: int = 0
    """How long it goes on firing after the condition cleared."""


class Moment(msgspec.Struct, frozen=True):
    """When an observation is made, and of what."""

    now_ns: int
    """The group's clock: the newest fact's time while facts are read, our clock when none are left."""
    at_ns: int = 0
    """When the fact ended in Dify; 0 when only time passed."""
    fresh: bool | None = None
    """Whether the fact was read in time to be news; None when only time passed."""
    late: bool = False
    """Whether the fact belongs before one that was already judged."""


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one alert stands. A new one is `Standing()`."""

    phase: Phase = "inactive"
    changes: int = 0
    """How often it has changed; never goes back, as notification ids are made of it."""
    since_ns: int = 0
    """When the condition began to hold (Dify's time)."""
    cleared_ns: int | None = None
    """While it is kept firing: when the condition cleared."""
    fresh: bool = False
    """Whether the newest fact for which the condition held was read in time to be news."""
    told: bool = False
    """Whether a change to firing was said to people, so that its end must be said, too."""


class Change(msgspec.Struct, frozen=True):
    """One change of an alert."""

    was: Phase
    now: Literal["inactive", "pending", "firing", "resolved"]
    reason: Reason
    at_ns: int
    """The fact's end in Dify; for a change by time alone, the moment it was due."""
    history: bool = False
    """Nobody is told of it."""
    late: bool = False


Step = tuple[Standing, Change | None]


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """The alert's identity, 32 hex digits: the same for the same rule name and labels, over restarts and versions."""
    text = msgspec.json.encode([rule, sorted(labels.items())])
    return blake2b(text, digest_size=16, person=_PERSON).hexdigest()


def observe(standing: Standing, finding: Finding, policy: Policy, moment: Moment) -> Step:
    """Where the alert stands after an observation, and the change that this is, if any.

    At most one change comes of one observation. `no_data` changes nothing: what was true stays true.
    """
    if finding.verdict == "no_data":
        return standing, None
    if finding.verdict == "holds":
        return _holds(standing, policy, moment)
    return _clear(standing, policy, moment)


def retire(standing: Standing, reason: Reason, at_ns: int) -> Step:
    """End an alert whose rule is gone or has become another."""
    if standing.phase == "inactive":
        return standing, None
    return _over(standing, Change(standing.phase, _end(standing), reason, at_ns, history=not standing.told))


def deadline_ns(standing: Standing, policy: Policy) -> int | None:
    """When time alone will change the alert next; None when only a fact can."""
    if standing.phase == "pending":
        return standing.since_ns + policy.for_ns
    if standing.phase == "firing" and standing.cleared_ns is not None:
        return standing.cleared_ns + policy.keep_ns
    return None


def _holds(standing: Standing, policy: Policy, moment: Moment) -> Step:
    if standing.phase == "inactive":
        return _begin(standing, policy, moment)
    fresh = standing.fresh if moment.fresh is None else moment.fresh
    seen = msgspec.structs.replace(standing, fresh=fresh, cleared_ns=None)
    if standing.phase == "firing":
        return _remind(seen, moment)
    if moment.now_ns - standing.since_ns < policy.for_ns:
        return seen, None
    return _fire(seen, "held_for", standing.since_ns + policy.for_ns, late=moment.late)


def _begin(standing: Standing, policy: Policy, moment: Moment) -> Step:
    at = moment.at_ns or moment.now_ns
    fresh = moment.fresh is not False
    begun = msgspec.structs.replace(standing, since_ns=at, fresh=fresh)
    if policy.for_ns == 0:
        return _fire(begun, "condition_met", at, late=moment.late)
    pending = msgspec.structs.replace(begun, phase="pending", changes=standing.changes + 1)
    return pending, Change("inactive", "pending", "condition_met", at, history=not fresh, late=moment.late)


def _fire(standing: Standing, reason: Reason, at_ns: int, *, late: bool) -> Step:
    firing = msgspec.structs.replace(standing, phase="firing", changes=standing.changes + 1, told=standing.fresh)
    return firing, Change(standing.phase, "firing", reason, at_ns, history=not standing.fresh, late=late)


def _remind(standing: Standing, moment: Moment) -> Step:
    """Still firing. Worth a change only when people don't know yet and something new shows that it goes on."""
    if standing.told or not moment.fresh:
        return standing, None
    return _fire(standing, "still_holds", moment.at_ns, late=moment.late)


def _clear(standing: Standing, policy: Policy, moment: Moment) -> Step:
    if standing.phase == "inactive":
        return standing, None
    at = moment.at_ns or moment.now_ns
    if standing.phase == "pending":
        change = Change("pending", "inactive", "condition_cleared", at, history=not standing.fresh)
        return _over(standing, change, late=moment.late)
    cleared = at if standing.cleared_ns is None else standing.cleared_ns
    if moment.now_ns - cleared < policy.keep_ns:
        return msgspec.structs.replace(standing, cleared_ns=cleared), None
    reason: Reason = "keep_elapsed" if policy.keep_ns else "condition_cleared"
    change = Change("firing", "resolved", reason, cleared + policy.keep_ns, history=not standing.told)
    return _over(standing, change, late=moment.late)


def _end(standing: Standing) -> Literal["inactive", "resolved"]:
    return "resolved" if standing.phase == "firing" else "inactive"


def _over(standing: Standing, change: Change, *, late: bool = False) -> Step:
    return Standing(changes=standing.changes + 1), msgspec.structs.replace(change, late=late)
