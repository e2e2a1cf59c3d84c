"""A real rsyslogd that runs the repository's example for log shippers, with its paths and its server replaced.

`.ci/install` installs it from the distribution, with its Elasticsearch output. It reads what the file sink writes to
`facts`; what it does before a start, after a crash too, is what the example's unit for systemd says.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Self

from tests.backends.process import ServerProcess, Unavailable, program

__all__ = ["Rsyslog"]

_EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "rsyslog"
_MODULES = "/usr/lib"
_READY_S = 20.0
_SPOOL, _FACTS = "/var/spool/rsyslog-dify", "/var/lib/dify-monitor/facts"
_SERVER, _USER = "http://127.0.0.1:9200", 'uid="dify-monitor"'


class Rsyslog:
    """One rsyslogd in a folder; use it in a `with`, and start, kill and stop it at will."""

    def __init__(self, folder: Path, url: str, user: str, password: str) -> None:
        """Find the program; raises Unavailable. `url` is Elasticsearch's."""
        self._program = _find()
        self._spool, self.facts = folder / "spool", folder / "facts" / "facts.ndjson"
        self._url, self._user, self.password = url, user, password
        self._process: ServerProcess | None = None
        for each in (self._spool, self.facts.parent):
            each.mkdir(mode=0o700, parents=True)
        self._config = folder / "rsyslog.conf"
        self._config.write_text(self._ours((_EXAMPLE / "rsyslog-dify.conf").read_text()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()

    def start(self) -> None:
        """Start it, as the unit says."""
        subprocess.run(["/bin/sh", "-c", self._before_start()], check=True)
        command: list[str | Path] = ["/usr/bin/env", f"ES_PASSWORD={self.password}", self._program, "-n"]
        command += ["-f", self._config, "-i", self._pid_file]
        self._process = ServerProcess(command, self._spool.parent / "log")
        self._process.wait_until(self._pid_file.exists, _READY_S)

    def stop(self) -> None:
        """End it in order."""
        assert self._process is not None, "it was not started"
        self._process.stop()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        assert self._process is not None, "it was not started"
        self._process.kill()

    def forget_places(self) -> None:
        """What a person does so that all is read again; it must not run."""
        for each in self._spool.glob("imfile-state:*"):
            each.unlink()

    def told(self, name: str) -> str:
        """What it has written to a file beside its queues: refused.ndjson, unreadable.ndjson, refused-requests.json."""
        path = self._spool / name
        return path.read_text("utf-8") if path.exists() else ""

    @property
    def log(self) -> str:
        """The end of what it said of itself."""
        return "" if self._process is None else self._process.log_tail()

    @property
    def _pid_file(self) -> Path:
        return self._spool / "rsyslogd.pid"

    def _before_start(self) -> str:
        found = re.search(
            r"^ExecStartPre=/bin/sh -c '(.*)'$", (_EXAMPLE / "rsyslog-dify.service").read_text(), re.MULTILINE
        )
        assert found is not None, "the unit has no ExecStartPre"
        return self._ours(found[1])

    def _ours(self, text: str) -> str:
        places = {
            _SPOOL: str(self._spool),
            _FACTS: str(self.facts.parent),
            _SERVER: self._url,
            _USER: f'uid="{self._user}"',
        }
        for example, ours in places.items():
            text = text.replace(example, ours)
        return text


def _find() -> Path:
    remedy = "run .ci/install, which installs it from the distribution"
    found = program("rsyslogd", [Path("/usr/sbin")], remedy=remedy)
    if not any(Path(_MODULES).glob("*/rsyslog/omelasticsearch.so")):
        raise Unavailable(f"rsyslog has no Elasticsearch output: {remedy}")
    return found
