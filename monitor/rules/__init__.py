"""Alert rules: what is judged (one module for each kind), how an alert lives (`state`), how rules are written.

Pure: no I/O, no clock. `monitor.runtime.evaluator` runs them over the journal.
"""

from __future__ import annotations

from monitor.rules.definition import Definition, LoadedRule, RuleKind, parse_rules
from monitor.rules.state import fingerprint

__all__ = ["Definition", "LoadedRule", "RuleKind", "fingerprint", "parse_rules"]
