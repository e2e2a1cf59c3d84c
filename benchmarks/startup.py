"""How long `monitor` takes to say its version or its help, beside a Python that does nothing.

    python -m benchmarks.startup --runs 20

Prints medians, and their ratio to `python -c pass`, which depends less on the machine. The commands take turns, so
that a busy moment meets all of them alike. Uses the installed `monitor` beside this Python, else `python -m monitor`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["commands", "measure"]

_NOTHING = "python -c pass"
_ROOT = Path(__file__).resolve().parents[1]
_LONGEST_S = 60.0


def commands() -> dict[str, list[str]]:
    """Name to command; the first one is what the others are compared with."""
    python = sys.executable
    installed = shutil.which("monitor", path=str(Path(python).parent))
    name, monitor = ("monitor", [installed]) if installed else ("python -m monitor", [python, "-m", "monitor"])
    return {
        _NOTHING: [python, "-c", "pass"],
        f"{name} --version": [*monitor, "--version"],
        f"{name} --help": [*monitor, "--help"],
        'python -c "import monitor.cli"': [python, "-c", "import monitor.cli"],
    }


def measure(runs: int) -> dict[str, float]:
    """Command to the median of its seconds. One run of each before is not counted: it writes the bytecode."""
    wanted = commands()
    taken: dict[str, list[float]] = {name: [] for name in wanted}
    for each in range(runs + 1):
        for name, command in wanted.items():
            seconds = _seconds(command)
            if each:
                taken[name].append(seconds)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _seconds(command: Sequence[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment(), timeout=_LONGEST_S)
    return time.perf_counter() - begun


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="of each command")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args()
    medians = measure(max(1, asked.runs))
    ratios = {name: seconds / medians[_NOTHING] for name, seconds in medians.items()}
    if asked.json:
        print(json.dumps({"median_s": medians, "ratio": ratios, "load": os.getloadavg()[0]}, indent=2))
        return
    print(f"medians of {max(1, asked.runs)} runs, {os.cpu_count()} cpus, load {os.getloadavg()[0]:.2f}")
    for name, seconds in medians.items():
        print(f"{name:<34}{seconds * 1000:>8.0f} ms{ratios[name]:>8.2f}")


if __name__ == "__main__":
    main()
