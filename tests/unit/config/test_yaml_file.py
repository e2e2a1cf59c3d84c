from __future__ import annotations

import pytest

from monitor.config.yaml_file import read_yaml
from monitor.errors import ConfigError


def write(tmp_path, text):
    file = tmp_path / "monitor.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        read_yaml(write(tmp_path, text))
    return str(caught.value).replace(str(tmp_path), "")


def test_every_setting_has_its_line(tmp_path):
    text = "journal:\n  path: x\nsinks:\n  - type: file\n    path: y\n  - {type: otlp,\n     endpoint: z}\n"
    data, lines = read_yaml(write(tmp_path, text))
    assert data["sinks"][1] == {"type": "otlp", "endpoint": "z"}
    assert lines["journal", "path"] == 2
    assert lines["sinks", 0, "path"] == 5
    assert lines["sinks", 1] == 6
    assert lines["sinks", 1, "endpoint"] == 7


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeffjournal:\n"])
def test_an_empty_file_sets_nothing(tmp_path, text):
    data, _ = read_yaml(write(tmp_path, text))
    assert not any(data.values())


def test_a_name_given_twice_is_refused_with_the_second_line(tmp_path):
    said = refused(tmp_path, "journal:\n  path: a\n  path: b\n")
    assert said == "/monitor.yaml:3: journal.path: is given twice. Keep one of them."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- b\n", "must be a mapping"),
        ("just text", "must be a mapping"),
        ("a: b: c\n", ":1: is not YAML"),
        ("a: [1,\n", "is not YAML"),
        ("a: 1\n---\nb: 2\n", "is not YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "is not YAML"),
        ("1: x\n", "the name 1 is not text"),
        ("on: x\n", "the name on is not text"),
        ("? [a, b]\n: x\n", "a list or mapping is not text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "`<<` is not supported"),
        ("a: 2001-99-99\n", "can't be read as YAML"),
        (b"a: \xff\n", "is not UTF-8 (byte 3)"),
        ("a: \x00\n", "is not YAML"),
        ("#" * 1_000_001, "is larger than 1000000 bytes"),
        ("[" * 100_000, "can't be read as YAML"),
        ("a: &a [*a]\n", "too deeply nested"),
    ],
)
def test_what_is_refused(tmp_path, text, said):
    assert said in refused(tmp_path, text)


def test_aliases_do_not_make_a_small_file_endless(tmp_path):
    """Ten levels of ten aliases each would be 10^10 settings."""
    levels = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    assert "too large" in refused(tmp_path, "\n".join(levels))


def test_aliases_are_fine_otherwise(tmp_path):
    data, _ = read_yaml(write(tmp_path, "a: &a {b: 1}\nc: *a\n"))
    assert data == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_broken_line_is_never_quoted(tmp_path):
    """A secret may stand on it."""
    file = write(tmp_path, 'pseudonym_key: "hunter2\n')
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml: can't be read: No such file"):
        read_yaml(tmp_path / "nothing.yaml")
