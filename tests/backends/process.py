"""A child process that serves something, and a server in a folder of its own: the backends are built on both."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

__all__ = ["Server", "ServerProcess", "Unavailable", "as_account", "cache", "free_port", "program", "wait_for"]

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


def cache() -> Path:
    """Where `.ci/install` puts what it builds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dify-monitor-tests"


def wait_for(met: Callable[[], bool], seconds: float, *, every_s: float, there: Callable[[], object]) -> None:
    """Return as soon as the condition is met; raises AssertionError with what is `there` when it is not in time."""
    waiting = threading.Event()
    for _ in range(int(seconds / every_s)):
        if met():
            return
        waiting.wait(every_s)
    raise AssertionError(f"after {seconds} s: {there()}")


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


class Server:
    """A server with a folder of its own, both of which live as long as the `with`.

    Who derives from it prepares the folder, and starts what serves. `stop` and `start` are for tests of what happens when
    it is away: its port and data stay.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: Path | None = None
        self._processes: list[ServerProcess] = []

    def __enter__(self) -> Self:
        self._made = Path(tempfile.mkdtemp(prefix=f"dify-monitor-{self._name}-"))
        try:
            self.prepare(self._made)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._made is not None:
            shutil.rmtree(self._made)
            self._made = None

    @property
    def folder(self) -> Path:
        """Its folder."""
        assert self._made is not None, "use the server in a with"
        return self._made

    @property
    def pid(self) -> int:
        """The process id of what serves."""
        assert self._processes, "it does not run"
        return self._processes[0].pid

    def prepare(self, folder: Path) -> None:
        """Write what it needs before its first start."""

    def start(self) -> None:
        """Start it (again)."""
        raise NotImplementedError

    def run(self, *command: str | Path, log: str = "log", ready: Callable[[], bool], seconds: float) -> None:
        """Start a process of it, and wait until it is ready."""
        self._processes.append(ServerProcess(command, self.folder / log))
        self._processes[-1].wait_until(ready, seconds)

    def stop(self) -> None:
        """Stop it in order; its data stay. Safe twice."""
        while self._processes:
            self._processes.pop().stop()

    def kill(self) -> None:
        """End it at once, as a crash would; its data stay as they were on the disk. Safe twice."""
        while self._processes:
            self._processes.pop().kill()
