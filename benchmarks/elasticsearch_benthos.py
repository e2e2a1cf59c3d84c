"""Benthos 4.27 as a peer: the same PostgreSQL rows into the same Elasticsearch, by a program made for such work.

Built with Go from `benchmarks/benthos/` into the user's cache. Called by `benchmarks.elasticsearch` alone.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

__all__ = ["MAPPINGS", "Missing", "built", "ship"]

_SOURCE = Path(__file__).parent / "benthos"
_SOURCES = ("go.mod", "go.sum", "main.go")
_TIMEOUT_S = 1800.0

_KEYWORDS = (
    "id app_id conversation_id model_provider model_id currency status invoke_from from_source from_end_user_id "
    "workflow_run_id kind message_id tool created_by created_by_role tenant_id workflow_id type triggered_from version "
    "predecessor_node_id node_id node_type title"
)
_LONGS = "message_tokens answer_tokens position message_token answer_token tokens total_tokens total_steps exceptions_count index"
_DOUBLES = "total_price provider_response_latency latency elapsed_time"
_TYPES = {"keyword": _KEYWORDS, "long": _LONGS, "double": _DOUBLES, "date": "@timestamp updated_at finished_at"}
MAPPINGS: Mapping[str, Any] = {
    "dynamic": False,
    "properties": {name: {"type": kind} for kind, names in _TYPES.items() for name in names.split()},
}
"""Columns by their types, as far as they are not JSON; nothing else is indexed."""


class Missing(Exception):
    """Benthos can't be had here; the text says why, in plain words."""


def built() -> Path:
    """The program, built where it is not there. Raises Missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dify-monitor-tests" / "bin"
    digest = sha256(b"".join((_SOURCE / name).read_bytes() for name in _SOURCES)).hexdigest()[:16]
    program = cache / f"benthos-{digest}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise Missing("Go is not installed, with which it is built")
    cache.mkdir(parents=True, exist_ok=True)
    new = cache / ".benthos.new"
    command = ["go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", str(new), "."]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(command, cwd=_SOURCE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"Go can't build it: {done.stderr.strip()[-400:]}")
    new.rename(program)  # built beside its place, so that a build that broke off is never taken for a program
    return program


def ship(program: Path, database: str, elasticsearch: str, index: str) -> tuple[float, float]:
    """Bring all rows into the index; seconds by the clock, and of its processor time. Raises RuntimeError."""
    environment = {**os.environ, "PG_DSN": f"{database}?sslmode=disable", "ES_URL": elasticsearch, "ES_INDEX": index}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [program, "-c", _SOURCE / "rows.yaml"],
        env=environment, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
    )  # fmt: skip
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"Benthos ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
