from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.interpolation import Interpolation, read_secret
from monitor.config.places import Places
from monitor.errors import ConfigError

PLACES = Places(file="monitor.yaml", lines={("a",): 3})


def resolve(value, environ=None):
    walk = Interpolation(environ or {}, PLACES)
    return walk.resolve(value), [str(problem) for problem in walk.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${HOST}", "h"),
        ("http://${HOST}:${PORT}/x", "http://h:1/x"),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("${HOST:-d}", "h"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b}", "a:-b"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$${HOST}"),
        ("$HOST $$ {x}", "$HOST $$ {x}"),
        ("${YAML}", "a: [1]\nb: ${HOST}"),
    ],
)
def test_references_in_text(text, value):
    """Nothing is read twice: what a variable holds is text, whatever it looks like."""
    environ = {"HOST": "h", "PORT": "1", "EMPTY": "", "YAML": "a: [1]\nb: ${HOST}"}
    assert resolve({"a": text}, environ) == ({"a": value}, [])


def test_only_strings_are_touched():
    data = {"${A}": [1, True, None, 2.5, {"b": "${A}"}]}
    assert resolve(data, {"A": "x"})[0] == {"${A}": [1, True, None, 2.5, {"b": "x"}]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${NONE}", "the environment variable NONE is not set. Set it, or write ${NONE:-default}."),
        ("${NONE", "`${` without its `}`. Write `$${` for a plain `${`."),
        ("${a b}", "can't read ${a b}."),
        ("${}", "can't read ${}."),
        ("${file:/nowhere/key}", "the file /nowhere/key can't be read: No such file or directory"),
    ],
)
def test_what_leads_nowhere_is_told_with_its_place(text, said):
    value, problems = resolve({"a": text})
    assert value == {"a": text}
    assert len(problems) == 1
    assert problems[0].startswith(f"monitor.yaml:3: a: {said}")


def test_all_problems_are_collected():
    assert len(resolve({"a": "${X}", "b": ["${Y}", {"c": "${Z}"}]})[1]) == 3


def test_a_file_is_read_without_its_last_line_breaks(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret $x ${A}\r\n\n")
    assert resolve({"a": f"<${{file:{secret}}}>"})[0] == {"a": "<s3cret $x ${A}>"}


@pytest.mark.parametrize("raw", [b"\xff\xfehunter2", b"x" * 70_000])
def test_a_file_that_can_not_be_a_secret_is_refused_and_never_quoted(tmp_path, raw):
    file = tmp_path / "secret"
    file.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        read_secret(str(file))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text())
def test_escaped_text_comes_out_as_it_went_in(text):
    assert resolve({"a": text.replace("${", "$${")})[0] == {"a": text}


@given(st.text(alphabet="${}:-AB \n"), st.dictionaries(st.sampled_from("AB"), st.text()))
def test_any_text_resolves_or_is_a_problem(text, environ):
    value, problems = resolve({"a": text}, environ)
    assert isinstance(value["a"], str)
    assert len(problems) <= 1
