"""A child process that serves something: start, wait until ready, stop. The three backends are built on it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["ServerProcess", "Unavailable", "as_account", "free_port", "program"]

_POLL_S = 0.05
_STOP_S = 20.0


class Unavailable(Exception):
    """A backend can't be had on this machine; the text says why, in plain words."""


def program(name: str, folders: Sequence[Path] = (), *, remedy: str) -> Path:
    """The program's path, from these folders or PATH; raises Unavailable with what to do about it."""
    places = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    if found is None:
        raise Unavailable(f"there is no program {name}: {remedy}")
    return Path(found)


def free_port() -> int:
    """A loopback TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_account(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """What subprocess needs to run a program as that account; None: as ourselves."""
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


class ServerProcess:
    """One running server. `stop_signal` is the one that it takes as a wish for a clean end."""

    def __init__(self, command: Sequence[str | Path], log: Path, *, account: pwd.struct_passwd | None = None) -> None:
        """Start it; what it says goes to `log`, appended. To run it as another `account`, be root."""
        self.command, self.log = [str(part) for part in command], log
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                **as_account(account),
                start_new_session=True,  # Ctrl-C is for pytest, which then stops the server in order
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when `ready()`; raise with the end of the log if the server ends or is not ready in time."""
        for _ in range(int(seconds / _POLL_S)):
            if ready():
                return
            try:
                self._child.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"{self.command[0]} ended with {self._child.returncode}:\n{self.log_tail()}")
        raise RuntimeError(f"{self.command[0]} was not ready after {seconds} s:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, insist after 20 s, and collect it; safe twice."""
        if self.running():
            self._child.send_signal(stop_signal)
        try:
            self._child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would; safe twice."""
        if self.running():
            self._child.kill()
        self._child.wait(_STOP_S)
