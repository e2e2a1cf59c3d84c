"""What `monitor doctor` finds on this machine: the journal's folder and disk, the server's port, the terminal.

Looks and changes nothing: no folder is made, no lock is taken for longer than a look. Called by doctor_facts.py.
"""

from __future__ import annotations

import errno
import http.client
import os
import socket
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from monitor.cli.printing import bytes_text
from monitor.config.settings import JournalSettings, ServerSettings
from monitor.errors import ConfigError, JournalError, JournalFull, Retryable
from monitor.journal.folder import Folder, network_file_system
from monitor.journal.survey import Survey
from monitor.model import Diagnosis
from monitor.model.answers import Holder
from monitor.ports import Clock
from monitor.replay.words import duration_text
from monitor.runtime.pseudonym import KEY_FILE, kept_key

__all__ = ["holder_of", "journal_findings", "new_file_finding", "server_finding", "terminal_findings"]

_NS = 1_000_000_000
_OTHERS = 0o077
_PAGE_S = 2.0
_OUR_PAGE = b"monitor, the observability sidecar for Dify"


def journal_findings(settings: JournalSettings, clock: Clock) -> Iterator[Diagnosis]:
    """The folder, who holds it, whether it can be read, how much room there is, and the key beside it."""
    folder = Folder(settings.path)
    network = network_file_system(str(folder.path), _mounts())
    if network is not None:
        yield Diagnosis(
            "folder",
            "problem",
            f"{folder.path} lies on a network file system ({network}), whose locks do not hold between machines",
            "Set journal.path to a folder on a local disk or a local volume.",
        )
        return
    try:
        yield from _looked_into(folder, settings, clock)
    except OSError as exc:
        yield _not_writable(f"{folder.path} can't be looked into: {exc.strerror}")


def _looked_into(folder: Folder, settings: JournalSettings, clock: Clock) -> Iterator[Diagnosis]:
    if folder.path.exists() and not folder.path.is_dir():
        yield Diagnosis("folder", "problem", f"{folder.path} is no folder", "Set journal.path to a folder.")
        return
    yield _folder(folder, clock)
    if folder.database.is_file():
        yield _layout(folder)
        yield from _private(folder.path)
    yield _room(folder, settings)
    if (folder.path / KEY_FILE).exists():
        yield _key(folder.path)


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _folder(folder: Folder, clock: Clock) -> Diagnosis:
    path = folder.path
    if not path.exists():
        parent = _nearest(path)
        if not os.access(parent, os.W_OK | os.X_OK):
            return _not_writable(f"{path} is not there, and {parent} may not be written to")
        return Diagnosis("folder", "ok", f"{path} is not there yet: the first `monitor run` makes it")
    holder = folder.holder()
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return _not_writable(f"{path} may not be written to by user {os.geteuid()}")
    return Diagnosis("folder", "ok", f"{path}, {_held(holder, clock)}")


def _nearest(path: Path) -> Path:
    """The closest folder above that is there."""
    return next(parent for parent in path.parents if parent.exists())


def new_file_finding(path: Path) -> Diagnosis:
    """Whether a sink's file, which is not there yet, can be made."""
    parent = _nearest(path.absolute())
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return Diagnosis("check", "ok", f"{path} is not there yet: the first `monitor run` makes it")
    told = f"{path} is not there, and {parent} is no folder that user {os.geteuid()} may write to"
    return Diagnosis("check", "problem", told, "Name another file, or let that user write there.")


def _not_writable(detail: str) -> Diagnosis:
    return Diagnosis(
        "folder",
        "problem",
        detail,
        "Run `monitor doctor` as the user who runs `monitor run`; that user must own the journal's folder.",
    )


def _held(holder: Holder | None, clock: Clock) -> str:
    if holder is None:
        return "held by nobody: no sidecar runs"
    since = duration_text(max(0, clock.now_ns() - holder.since) / _NS)
    return f"held by process {holder.pid or 'unknown'} on {holder.host or 'this machine'} for {since}"


def _layout(folder: Folder) -> Diagnosis:
    try:
        with Survey.open(folder.path) as survey:
            events = survey.events()
    except Retryable as exc:
        return Diagnosis("contents", "warning", f"can't be read now: {exc}", "Try again in a moment.")
    except (JournalError, ConfigError) as exc:
        return Diagnosis(
            "contents", "problem", str(exc), "Use the `monitor` that wrote it, or restore a backup of the journal."
        )
    return Diagnosis("contents", "ok", f"{events:,} events in a layout that this version reads")


def _private(path: Path) -> Iterator[Diagnosis]:
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        yield Diagnosis(
            "privacy",
            "warning",
            f"{path} is open to other users of this machine (mode {mode:o}), and holds conversations",
            f"chmod 700 {path}",
        )


def _room(folder: Folder, settings: JournalSettings) -> Diagnosis:
    used, free = folder.bytes(), _free(folder.path)
    most = settings.max_bytes
    of = f"of {bytes_text(most)} (journal.max_bytes)" if most is not None else "without a limit (journal.max_bytes)"
    told = f"{bytes_text(used)} {of}; {bytes_text(free)} free on its disk"
    try:
        folder.check_room(most, settings.min_free_bytes)
    except JournalFull as exc:
        return Diagnosis("room", "problem", str(exc), "Raise the limit, or give the journal a larger disk.")
    except FileNotFoundError:  # the folder is not there yet
        if free < settings.min_free_bytes:
            least = bytes_text(settings.min_free_bytes)
            return Diagnosis(
                "room",
                "problem",
                f"{bytes_text(free)} free on its disk, less than journal.min_free_bytes, {least}",
                "Give the journal a larger disk.",
            )
    return Diagnosis("room", "ok", told)


def _free(path: Path) -> int:
    disk = os.statvfs(path if path.exists() else _nearest(path))
    return disk.f_bavail * disk.f_frsize


def _key(path: Path) -> Diagnosis:
    try:
        kept_key(path)
    except ConfigError as exc:
        return Diagnosis("pseudonyms", "problem", str(exc))
    return Diagnosis("pseudonyms", "ok", f"their key is kept in {path / KEY_FILE}: back it up with the journal")


# -- the server


def server_finding(settings: ServerSettings, journal: Path) -> Diagnosis:
    """Whether the port is free, or already our own sidecar's."""
    if settings.address is None:
        return Diagnosis("port", "ok", "no server is wanted (server.listen is null): no /metrics, no health checks")
    host, port = settings.address
    shown = f"{host or '*'}:{port}"
    if not port:
        return Diagnosis("port", "ok", f"{shown}: a free port is taken at each start, and logged")
    try:
        _try_to_listen(host, port)
    except OSError as exc:
        return _taken(host, port, journal) if exc.errno == errno.EADDRINUSE else _unusable(shown, exc)
    return Diagnosis("port", "ok", f"{shown} is free")


def _try_to_listen(host: str, port: int) -> None:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = found[0]
    socket.create_server(address, family=family).close()


def _unusable(shown: str, error: OSError) -> Diagnosis:
    told = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
    remedy = "Name an address of this machine in server.listen, such as 127.0.0.1:9464."
    if error.errno in {errno.EACCES, errno.EPERM}:
        remedy = "Name a port above 1023 in server.listen."
    return Diagnosis("port", "problem", f"can't listen on {shown}: {told}", remedy)


def _taken(host: str, port: int, journal: Path) -> Diagnosis:
    shown = f"{host or '*'}:{port}"
    holder = holder_of(journal)
    if _is_ours(host, port):
        if holder is not None:
            return Diagnosis("port", "ok", f"{shown} is served by the running sidecar, process {holder.pid}")
        return Diagnosis(
            "port",
            "problem",
            f"{shown} is served by another `monitor`, which does not hold this journal",
            "End that one, or give this one another port in server.listen.",
        )
    return Diagnosis("port", "problem", f"{shown} belongs to another program", "Name another port in server.listen.")


def holder_of(journal: Path) -> Holder | None:
    """The process that writes the journal now; None when nobody does, or when that can't be seen."""
    try:
        return Folder(journal).holder()
    except OSError:
        return None


def _is_ours(host: str, port: int) -> bool:
    """Whether the front page there is our own."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not bound
    connection = http.client.HTTPConnection(name, port, timeout=_PAGE_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read1(200).startswith(_OUR_PAGE)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


# -- the terminal


def terminal_findings(clock: Clock) -> Iterator[Diagnosis]:
    """In which time zone times are shown, and whether every letter can be."""
    yield _zone(clock)
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("_", "-")
    if encoding in {"utf-8", "utf8"}:
        yield Diagnosis("letters", "ok", "UTF-8")
    else:
        yield Diagnosis(
            "letters",
            "warning",
            f"standard output is {encoding}: letters that it lacks are shown as escapes",
            "Set LANG=C.UTF-8, or PYTHONUTF8=1.",
        )


def _zone(clock: Clock) -> Diagnosis:
    local = datetime.fromtimestamp(clock.now_ns() / _NS).astimezone()
    wanted = os.environ.get("TZ", "").removeprefix(":")
    known = not wanted or wanted.upper() in {"UTC", "UTC0", "GMT"} or local.utcoffset()
    if not known and not Path("/usr/share/zoneinfo", wanted).is_file():
        return Diagnosis(
            "time zone",
            "warning",
            f"TZ={wanted} is not known on this machine, so times are shown in UTC",
            "Install the time zones (package tzdata), or correct TZ.",
        )
    return Diagnosis("time zone", "ok", f"{local:%Z} (UTC{local:%z}), for replay and status; Dify's rows are in UTC")
