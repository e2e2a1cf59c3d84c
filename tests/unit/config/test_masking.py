from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.masking import is_secret_name, masked, masked_text


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "api_key",
        "apikey",
        "token",
        "Authorization",
        "pseudonym_key",
        "headers",
        "client_secret",
        "dsn",
        "x-api-key",
    ],
)
def test_names_of_secrets(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["path", "url", "key_file", "password_file", "token_path", "max_tokens_name", "monkey", "name"]
)
def test_other_names(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:hunter2@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u:p@ss:w/rd@h/d", "postgresql://u:***@h/d"),
        ("redis://:hunter2@h", "redis://:***@h"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("host=h password=hunter2 dbname=d", "host=h password=*** dbname=d"),
        ("host=h password='a b\\'c' dbname=d", "host=h password=*** dbname=d"),
        ("https://h/hook?token=hunter2&x=1", "https://h/hook?token=***&x=1"),
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("plain", "plain"),
    ],
)
def test_passwords_in_text(text, shown):
    assert masked_text(text) == shown


def test_a_tree_is_copied_without_its_secrets():
    data = {
        "url": "http://u:p@h",
        "headers": {"a": "b"},
        "sinks": [{"api_key": "k", "token": "", "n": 1}],
        "s": "*" * 10,
    }
    assert masked(data) == {
        "url": "http://u:***@h",
        "headers": {"a": "***"},
        "sinks": [{"api_key": "***", "token": "", "n": 1}],
        "s": "***",
    }


@given(st.from_regex(r"[a-z0-9@:/?#]{8,20}", fullmatch=True), st.from_regex(r"[a-z]{1,5}", fullmatch=True))
def test_no_password_of_a_url_is_ever_shown(password, host):
    assert password not in masked_text(f"postgresql://user:{password}@{host}/dify")
