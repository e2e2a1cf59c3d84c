"""What all tests share: hypothesis profiles, no network beyond this machine, and the real backends as fixtures.

A test that uses a backend's fixture, or is marked `backend("postgres")`, is skipped with the reason where the backend
can't be had; it fails instead where MONITOR_TEST_REQUIRE_BACKENDS=1. `-m "not backend"` leaves those tests out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.lacking import or_skip
from tests.support.network import refuse_outside

if TYPE_CHECKING:
    from tests.backends.bugsink import Bugsink
    from tests.backends.collector import Collector
    from tests.backends.elasticsearch import Elasticsearch
    from tests.backends.phoenix import Phoenix
    from tests.backends.postgres import Database, Postgres
    from tests.backends.prometheus import Prometheus

BACKENDS = ("postgres", "collector", "prometheus", "promtool", "elasticsearch", "bugsink", "phoenix")

# A busy machine makes single examples slow; that says nothing about the code, so neither is a failure.
for _name, _examples in {"dev": 50, "ci": 300, "nightly": 5000}.items():
    settings.register_profile(
        _name,
        max_examples=_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=_name != "dev",
    )
settings.load_profile(os.environ.get("MONITOR_HYPOTHESIS_PROFILE", "dev"))


def pytest_configure() -> None:
    refuse_outside()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a backend's fixture, also through other fixtures."""
    for item in items:
        marked = {name for marker in item.iter_markers("backend") for name in marker.args}
        for name in BACKENDS:
            if name in getattr(item, "fixturenames", ()) and name not in marked:
                item.add_marker(pytest.mark.backend(name))


@pytest.fixture(autouse=True)
def _marked_backends(request: pytest.FixtureRequest) -> None:
    """Start what a test's marker names, should it not use the fixture itself."""
    for marker in request.node.iter_markers("backend"):
        for name in marker.args:
            request.getfixturevalue(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session; take a database of your own from `fresh_database`."""
    from tests.backends.postgres import Postgres  # noqa: PLC0415 - only those who use it need psycopg

    with or_skip(Postgres) as server:
        yield server


@pytest.fixture
def fresh_database(postgres: Postgres) -> Iterator[Callable[..., Database]]:
    """Databases of this test's own, dropped after it: `fresh_database("1.9", rows="all" | "lookups" | "none")`."""
    made: list[Database] = []

    def make(*args: object, **kwargs: object) -> Database:
        made.append(postgres.fresh_database(*args, **kwargs))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for database in made:
        database.drop()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An OpenTelemetry Collector of this test's own."""
    from tests.backends.collector import Collector  # noqa: PLC0415

    with or_skip(Collector) as server:
        yield server


@pytest.fixture(scope="module")
def elasticsearch() -> Iterator[Callable[..., Elasticsearch]]:
    """Elasticsearch by version, with or without security and so on; one at a time: `elasticsearch(9, security=False)`."""
    from tests.backends.elasticsearch import Elasticsearch  # noqa: PLC0415

    running: dict[str, Elasticsearch] = {}
    with ExitStack() as stack:

        def start(version: int, **how: Any) -> Elasticsearch:
            wanted = f"{version} {how}"
            if wanted not in running:
                stack.close()
                running.clear()
                running[wanted] = stack.enter_context(or_skip(lambda: Elasticsearch(version, **how)))
            return running[wanted]

        yield start


@pytest.fixture(scope="session")
def bugsink() -> Iterator[Bugsink]:
    """A server that speaks Sentry's protocol for the whole session; take a project of your own from `new_project`."""
    from tests.backends.bugsink import Bugsink  # noqa: PLC0415

    with or_skip(Bugsink) as server:
        yield server


@pytest.fixture(scope="session")
def phoenix() -> Iterator[Phoenix]:
    """A trace backend that reads OpenInference for the whole session; a project is made by the first span for it."""
    from tests.backends.phoenix import Phoenix  # noqa: PLC0415

    with or_skip(Phoenix) as server:
        yield server


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    """A Prometheus of this test's own; tell it what to scrape."""
    from tests.backends.prometheus import Prometheus  # noqa: PLC0415

    with or_skip(Prometheus) as server:
        yield server


@pytest.fixture(scope="session")
def promtool() -> Callable[..., CompletedProcess[str]]:
    """Prometheus's own judge of metrics and rules: `promtool("check", "metrics", stdin=text)`."""
    from tests.backends.prometheus import promtool  # noqa: PLC0415

    or_skip(lambda: promtool("--version"))
    return promtool
