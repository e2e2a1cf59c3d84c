"""The Dockerfile without Docker: its build stage is run step by step, and what it builds is started as the image would be.

All of it happens below a folder of this test's own. What needs root (the user, the volume's owner) is read instead.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sysconfig
import threading
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import __version__
from tests.backends.process import free_port
from tests.docs.pages import ROOT
from tests.support.lacking import lacking

_HIDDEN = re.compile(r"pass(word)?|secret|token|credential|api_?key|DIFY_DB_URL", re.IGNORECASE)
_DEADLINE_S = 300.0
_POLL_S = 0.1

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Word and rest of each instruction, continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in found]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage."""
    found: list[list[Instruction]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


BUILD, IMAGE = stages()


def last(word: str) -> str:
    """The image's last instruction of that name."""
    return [rest for each, rest in IMAGE if each == word][-1]


def environment() -> dict[str, str]:
    """What the image sets."""
    pairs = [pair for word, rest in IMAGE if word == "ENV" for pair in shlex.split(rest)]
    return dict(pair.split("=", 1) for pair in pairs)


# -- what is read


def test_both_stages_begin_with_the_same_slim_python():
    bases = [stage[0][1].split()[0] for stage in stages()]
    assert len(set(bases)) == 1
    version = re.fullmatch(r"python:3\.(\d+)-slim", bases[0])
    assert version
    assert int(version[1]) >= 11


def test_it_runs_as_a_user_without_rights_or_shell():
    uid, _, gid = last("USER").partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    made = " ".join(rest for word, rest in IMAGE if word == "RUN")
    assert f"--uid {uid} --gid {gid}" in made
    assert "--shell /usr/sbin/nologin" in made
    assert f"install -d -o {uid} -g {gid} -m 0700 {last('VOLUME')}" in made
    words = [word for word, _ in IMAGE]
    assert "RUN" not in words[words.index("USER") :]


def test_it_writes_to_its_volume_alone():
    volume = last("VOLUME")
    assert environment()["MONITOR_JOURNAL__PATH"].startswith(f"{volume}/")
    assert last("WORKDIR") == volume
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_no_secret_stands_in_it():
    assert [rest for word, rest in instructions() if word in {"ENV", "ARG", "LABEL"} and _HIDDEN.search(rest)] == []


def test_the_port_is_one_everywhere():
    listen = environment()["MONITOR_SERVER__LISTEN"]
    assert listen == f"0.0.0.0:{last('EXPOSE')}"
    assert json.loads(last("ENTRYPOINT")) + json.loads(last("CMD")) == ["monitor", "run"]


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().split()
    sources = [source for word, rest in BUILD if word == "COPY" for source in rest.split()[:-1]]
    assert ignored[ignored.index("*") + 1 :]
    assert all((ROOT / source).exists() and f"!{source}" in ignored for source in sources)
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


# -- what is run


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """The folder that stands for the image's root, after the build stage."""
    root = tmp_path_factory.mktemp("image")
    tools = tmp_path_factory.mktemp("tools")
    venv.create(tools, with_pip=True)
    if not _index_answers(tools, root):
        lacking("no package index answers, and the wheel's build tool comes from there")
    for word, rest in BUILD:
        _step(word, rest, root, tools)
    _lend_dependencies(root)
    return root


def _index_answers(tools: Path, root: Path) -> bool:
    command = [tools / "bin/pip", "download", "--quiet", "--no-deps", "--dest", root / "index", "hatchling>=1.27"]
    return subprocess.run(command, capture_output=True, check=False, timeout=_DEADLINE_S).returncode == 0


def _step(word: str, rest: str, root: Path, tools: Path) -> None:
    """One instruction of the build stage, its absolute paths below `root`."""
    if word == "WORKDIR":
        (root / rest.lstrip("/")).mkdir(parents=True)
    elif word == "COPY":
        *sources, target = rest.split()
        into = root / "src" / target
        into.parent.mkdir(parents=True, exist_ok=True)
        _run(["cp", "-r", *(str(ROOT / source) for source in sources), str(into)], root, tools)
    elif word == "RUN":
        _run(["sh", "-euc", re.sub(r"(?<=\s)/(dist|opt)\b", rf"{root}/\1", rest)], root, tools)


def _run(command: list[str], root: Path, tools: Path) -> None:
    environ = os.environ | {"PATH": f"{tools}/bin:{os.environ['PATH']}"}
    if " install " in command[-1]:
        environ["PIP_NO_DEPS"] = "1"  # the tests' own environment lends them: they are not what is tested here
    done = subprocess.run(
        command, cwd=root / "src", env=environ, capture_output=True, text=True, check=False, timeout=_DEADLINE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _lend_dependencies(root: Path) -> None:
    (site,) = (root / "opt/dify-monitor/lib").glob("python3*/site-packages")
    paths = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (site / "of_the_tests.pth").write_text("\n".join(paths) + "\n")


def _environ(root: Path, port: int) -> dict[str, str]:
    image = environment()
    return {
        **{name: value.replace("/var/lib", f"{root}/var/lib") for name, value in image.items()},
        "PATH": f"{root}/opt/dify-monitor/bin:/usr/bin:/bin",
        "MONITOR_SERVER__LISTEN": f"127.0.0.1:{port}",
        "DIFY_DB_URL": "postgresql://nobody:secret@127.0.0.1:1/dify",
    }


def _files(root: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in (root / "opt").rglob("*") if path.is_file()}


def _healthy(environ: dict[str, str]) -> bool:
    _, _, command = last("HEALTHCHECK").partition("CMD ")
    done = subprocess.run(json.loads(command), env=environ, capture_output=True, check=False, timeout=_DEADLINE_S)
    return done.returncode == 0


@pytest.fixture
def running(image) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """The image's command, with a database that nobody can reach."""
    environ = _environ(image, free_port())
    home = image / "var/lib/dify-monitor"
    home.mkdir(parents=True, exist_ok=True)
    command = json.loads(last("ENTRYPOINT")) + json.loads(last("CMD"))
    with (image / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(image / "opt/dify-monitor/bin" / command[0]), *command[1:]],
            cwd=home, env=environ, stdout=log, stderr=log,
        )  # fmt: skip
        yield process, environ
        process.terminate()
        process.wait(_DEADLINE_S)


def test_what_is_built_is_this_version_with_all_its_files(image):
    environ = _environ(image, free_port())
    done = subprocess.run(
        [image / "opt/dify-monitor/bin/monitor", "--version"], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"monitor {__version__}\n"
    (package,) = (image / "opt/dify-monitor/lib").glob("python3*/site-packages/monitor")
    sources = [path.relative_to(ROOT / "monitor") for path in (ROOT / "monitor").rglob("*") if path.is_file()]
    data = [path for path in sources if path.suffix not in {".py", ".pyc"}]
    assert data
    assert [path for path in data if not (package / path).exists()] == []
    assert sorted(path.name for path in (package / "shipped/alerts").iterdir()) == sorted(
        path.name for path in (ROOT / "alerts").iterdir()
    )


def test_what_is_built_has_no_pip(image):
    assert list((image / "opt/dify-monitor/bin").glob("pip*")) == []


def test_the_health_check_tells_a_running_process_from_none(running, image):
    """A database that can't be reached is no reason to restart; a process that is gone is."""
    process, environ = running
    before, waiting = _files(image), threading.Event()
    for _ in range(int(_DEADLINE_S / _POLL_S)):
        if process.poll() is not None or _healthy(environ):
            break
        waiting.wait(_POLL_S)
    assert process.poll() is None, (image / "log").read_text()
    assert _healthy(environ)
    process.terminate()
    assert process.wait(_DEADLINE_S) == 0
    assert not _healthy(environ)
    assert _files(image) == before
    assert (image / "var/lib/dify-monitor/journal/journal.db").exists()
