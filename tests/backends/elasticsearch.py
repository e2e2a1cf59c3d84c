"""A real Elasticsearch, 8 or 9, on this machine: server, transport, security, templates and bulk are its own.

`.ci/elasticsearch` assembles it from `tests/backends/elastic/` into the user's cache. What it can't do: run lifecycle
policies (it checks and keeps them, and asks nobody for rights to them), ingest pipelines, scripts, SQL and ES|QL.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.backends.process import Server, Unavailable, cache, free_port, program

__all__ = ["ADMIN", "Elasticsearch"]

ADMIN = ("admin", "adminpw")
"""A superuser, where security is on."""
_READY_S = 120.0
_HEAP = "512m"
_ADMIN_HASH = "$2a$10$OZYgBDV/MMdDujE1P2PbK.cBeIkGduIm.ACHl5danfPC/.aMK03/2"
_ZSTD = Path("/usr/lib/x86_64-linux-gnu/libzstd.so.1")
"""The native library that Elastic's own packages bring along."""
_SETTINGS = """\
cluster.name: test
node.name: test
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
discovery.type: single-node
xpack.security.enabled: {security}
cluster.routing.allocation.disk.threshold_enabled: false
"""
_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


class Elasticsearch(Server):
    """A server of one node; use it in a `with`. `stop` and `start` are for tests of what happens when it is away."""

    def __init__(
        self,
        version: int = 8,
        *,
        security: bool = True,
        settings: Mapping[str, str] | None = None,
        tls: tuple[Path, Path, Path] | None = None,
    ) -> None:
        """Find what was assembled; raises Unavailable.

        `settings` are further lines of its configuration. With `tls` (the authority's certificate, its own, its key)
        it speaks HTTPS, asks for a certificate of that authority, and its tests show it the same one.
        """
        super().__init__("elasticsearch")
        self.version, self.security = version, security
        self._settings, self._tls = dict(settings or {}), tls
        self._place, self._java = _find(version)
        self._ports = {"http": free_port(), "transport": free_port()}

    def prepare(self, folder: Path) -> None:
        """Its configuration."""
        self._configure(folder)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._ports['http']}"

    def start(self) -> None:
        """Start it (again, on the same port and data)."""
        options = ["--enable-native-access=ALL-UNNAMED"] if self.version > 8 else []
        heap = [f"-Xms{_HEAP}", f"-Xmx{_HEAP}", f"-Des.path.home={self.folder}"]
        command = [self._java, *heap, *options, "-cp", f"{self._place}/lib/*", "TestNode"]
        self.run(*command, ready=self._ready, seconds=_READY_S)

    def ask(self, method: str, path: str, body: Any = None, *, auth: Any = ADMIN, headers: Any = None) -> Any:
        """Its answer to the administrator (or to `auth`); raises AssertionError for what is not a 2xx."""
        answer = self._request(method, path, body, auth, headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def status(self, method: str, path: str, body: Any = None, *, auth: Any = ADMIN, headers: Any = None) -> int:
        """The status of its answer."""
        return self._request(method, path, body, auth, headers).status_code

    def documents(self, index: str) -> list[dict[str, Any]]:
        """Every document of an index or alias, as `_id`, `_index`, `_version` and `_source`; none where it is none."""
        self.ask("POST", f"/{index}/_refresh?ignore_unavailable=true&allow_no_indices=true")
        query = {"size": 10_000, "version": True, "query": {"match_all": {}}}
        return list(self.ask("POST", f"/{index}/_search?ignore_unavailable=true", query)["hits"]["hits"])

    def clear(self, prefix: str) -> None:
        """Forget every index, template and policy whose name begins so."""
        for name in self.ask("GET", f"/{prefix}*?expand_wildcards=all"):
            self.ask("DELETE", f"/{name}")
        for kind in ("_index_template", "_component_template"):
            key = f"{kind.removeprefix('_')}s"
            for each in self.ask("GET", f"/{kind}")[key]:
                if each["name"].startswith(prefix):
                    self.ask("DELETE", f"/{kind}/{each['name']}")
        for name in self.ask("GET", "/_ilm/policy"):
            if name.startswith(prefix):
                self.ask("DELETE", f"/_ilm/policy/{name}")

    def _request(self, method: str, path: str, body: Any, auth: Any, headers: Any) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=60, auth=auth, verify=self._context()) as http:
            return http.request(method, f"{self.url}{path}", json=body, headers=headers)

    def _context(self) -> ssl.SSLContext | bool:
        if self._tls is None:
            return False
        authority, certificate, key = self._tls
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(certificate, key)
        return context

    def _ready(self) -> bool:
        try:
            return self.status("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s") == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _configure(self, folder: Path) -> None:
        config = folder / "config"
        config.mkdir()
        settings = _SETTINGS.format(**self._ports, security=str(self.security).lower())
        extra = self._settings | self._encryption(config)
        (config / "elasticsearch.yml").write_text(settings + "".join(f"{name}: {extra[name]}\n" for name in extra))
        (config / "log4j2.properties").write_text(_LOGGING)
        (config / "users").write_text(f"{ADMIN[0]}:{_ADMIN_HASH}\n")
        (config / "users_roles").write_text(f"superuser:{ADMIN[0]}\n")
        (folder / "modules").symlink_to(self._place / "modules")
        if _ZSTD.exists():
            native = folder / "lib" / "platform" / "linux-x64"
            native.mkdir(parents=True)
            (native / "libzstd.so").symlink_to(_ZSTD)

    def _encryption(self, config: Path) -> dict[str, str]:
        """Its settings for TLS; the files have to lie in its own folder."""
        if self._tls is None:
            return {}
        names = ("ca.pem", "server.pem", "server.key")
        for name, path in zip(names, self._tls, strict=True):
            (config / name).write_bytes(path.read_bytes())
        http = {
            "enabled": "true",
            "client_authentication": "required",
            "certificate_authorities": "ca.pem",
            "certificate": "server.pem",
            "key": "server.key",
        }
        return {f"xpack.security.http.ssl.{name}": value for name, value in http.items()}


def _find(version: int) -> tuple[Path, Path]:
    """Where it was assembled, and the Java that runs it."""
    place = cache() / f"elasticsearch-{version}"
    if not (place / "sum").exists():
        raise Unavailable(f"there is no Elasticsearch {version}: run .ci/elasticsearch, which assembles it with Maven")
    return place, place / "java" if version > 8 else program("java", remedy="install a Java 17 runtime")
