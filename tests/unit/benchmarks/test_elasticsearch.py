"""What the Elasticsearch benchmark makes of its runs; the runs themselves need servers, and minutes."""

from __future__ import annotations

import pytest

from benchmarks import elasticsearch_benthos as benthos
from benchmarks.elasticsearch import Result, Run


def run(what: str, seconds: float, client_cpu_s: float = 1.0) -> Run:
    return Run(what, 1000, seconds, client_cpu_s, server_cpu_s=1.0, load=0.0)


def test_shares_are_those_of_the_medians():
    runs = [run("the sink", seconds, 3.0) for seconds in (9.0, 2.0, 1.0)]
    runs += [run("parallel_bulk", seconds) for seconds in (1.0, 1.0, 30.0)]
    result = Result({}, 10, 1000, 1.0, runs, {}, [])
    assert (result.rate("the sink"), result.share) == (500.0, 0.5)
    assert (result.cpu_us("the sink"), result.share_cpu) == (4000.0, 0.5)


def test_without_go_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(benthos.Missing, match="Go is not installed"):
        benthos.built()
