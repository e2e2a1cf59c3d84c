"""Credentials that must never reach the journal, and the sentences that must reach it whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.normalise.scrub import MASK, _may_hold_one, scrub

SECRET = "hunter2xyz"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"

_REQUEST = (
    "POST /orders HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n"
    f"Authorization: Bearer {SECRET}\r\nX-Shop-Key: {SECRET}\r\nCookie: sid={SECRET}; theme=dark\r\ntoken: {SECRET}\r\n\r\n"
    f'{{"order": 7, "password": "{SECRET}"}}'
)

_LEAKS = {
    "json": json.dumps({"api_key": SECRET, "order": 7}),
    "json, any case and style of name": json.dumps({"X-API-Key": SECRET, "clientSecret": SECRET, "db_passwd": SECRET}),
    "json, a list of values": json.dumps({"headers": {"Authorization": [f"Bearer {SECRET}"]}}),
    "json in json": json.dumps({"body": json.dumps({"access_token": SECRET, "order": 7})}),
    "json in json in json": json.dumps({"log": json.dumps({"body": json.dumps({"secret": SECRET})})}),
    "json with quotes in the value": json.dumps({"password": f'{SECRET}"{SECRET}', "order": 7}),
    "json with a backslash at the value's end": json.dumps({"password": f"{SECRET}\\", "order": 7}),
    "json that was cut off": f'{{"order": 7, "api_key": "{SECRET}',
    "an HTTP node's request, as text in json": json.dumps({"request": _REQUEST}),
    "an HTTP request": _REQUEST,
    "a header in a command": f"curl -H 'X-Api-Key: {SECRET}' https://shop.example",
    "headers as a list of pairs": json.dumps([{"key": "Authorization", "type": "text", "value": f"Bearer {SECRET}"}]),
    "headers as a list of pairs, in json": json.dumps({"c": json.dumps([{"name": "x-api-key", "value": SECRET}])}),
    "a python dict": str({"Authorization": f"Bearer {SECRET}", "order": 7}),
    "a python dict of mixed quotes": f"""{{'Authorization': "Bearer {SECRET}'s"}}""",
    "a call's arguments": f"OpenAI(api_key='{SECRET}', base_url='https://x')",
    "a pydantic error": (
        "1 validation error for Credentials\napi_key\n  Value error, too short "
        f"[type=value_error, input_value='{SECRET}', input_type=str]"
    ),
    "a query": f"https://shop.example/orders?id=7&access_token={SECRET}&page=2",
    "an environment": f"DB_PASSWORD={SECRET} ORDER=7",
    "a url": f"could not connect to postgresql://dify:{SECRET}@db:5432/dify",
    "a url without a user": f"redis://:{SECRET}@redis:6379/0",
    "a bearer token in prose": f"I sent Bearer {SECRET} and got a 401",
    "basic authentication": "Authorization failed for Basic ZGlmeTpodW50ZXIyeHl6",
    "yaml": f"order: 7\npassword: {SECRET}\n",
}  # fmt: skip


@pytest.mark.parametrize("text", _LEAKS.values(), ids=_LEAKS)
def test_a_named_credential_is_masked(text):
    kept = scrub(text)
    assert SECRET not in kept
    assert "ZGlmeTpodW50ZXIyeHl6" not in kept
    assert MASK in kept


@pytest.mark.parametrize("name", ["json", "json in json", "json with quotes in the value", "an HTTP node's request, as text in json",
                                  "headers as a list of pairs", "headers as a list of pairs, in json"])  # fmt: skip
def test_json_stays_json_and_the_rest_of_it_stands(name):
    kept = json.loads(scrub(_LEAKS[name]))
    assert "order" not in _LEAKS[name] or "order" in json.dumps(kept)


def test_what_stands_around_a_credential_stays():
    assert scrub(f'{{"api_key":"{SECRET}","order":7}}') == f'{{"api_key":"{MASK}","order":7}}'
    assert scrub(f"Authorization: Bearer {SECRET}\r\nHost: x") == f"Authorization: Bearer {MASK}\r\nHost: x"
    assert scrub(f"https://u:{SECRET}@h/p?token={SECRET}&b=1") == f"https://u:{MASK}@h/p?token={MASK}&b=1"
    assert scrub(f'{{"password":"{SECRET}\\\\","order":7}}') == f'{{"password":"{MASK}","order":7}}'


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdefghijklmnop1234", "app-ABCDEFGHIJKLMNOPQRSTUVWX", "dataset-ABCDEFGHIJKLMNOPQRSTUVWX",
        "AKIAIOSFODNN7EXAMPLE", "ghp_" + "a1" * 18, "github_pat_" + "a1" * 15, "glpat-" + "a1" * 10, "xoxb-123456789012-abcdef",
        "AIza" + "a1b2c" * 7, "hf_" + "a1" * 17, JWT,
    ],
)  # fmt: skip
def test_a_key_is_known_by_its_shape_wherever_it_stands(key):
    for text in (key, f"the key {key} was refused", json.dumps({"message": f"({key})"}), f"a={key}&b"):
        assert key not in scrub(text)


def test_a_private_key_of_many_lines_is_masked():
    body = "MIIEvQIBADANBgkqhkiG\n" * 20
    kept = scrub(f"before\n-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\nafter")
    assert "MIIEvQ" not in kept
    assert kept.startswith("before\n")
    assert kept.endswith("PRIVATE KEY-----\nafter")


@pytest.mark.parametrize(
    "text",
    [
        "My token: it does not work any more, what shall I do?",
        "Password: how do I change it?",
        "Authorization: required",
        "Secret: the best recipe of my grandmother",
        "Cookie: my favourite recipe",
        "I forgot my password, and the key to my flat too.",
        "What is the difference between Basic authentication and Bearer authentication?",
        "basic requirements, basic understanding",
        "The secretary of the token ring club lost her keys in 2024",
        "Please use sk-learn-pipelines for risk-assessment-framework-2024",
        "Explain how Cookie: headers and tokens work",
        "see https://shop.example/a?b=c and mail ann@shop.example, call 10:30@lobby",
        '{"total_tokens":12,"prompt_tokens":7,"time_to_first_token":0.5,"max_tokens":"4096","token_type":"bearer"}',
        '{"token":"Hello","logprob":-0.1}',
        '{"token":"two words","secret":"","password":null,"use_api_key":"true"}',
        '{"password":5,"token":7}',
        '{"question":"what is an api key?","key":"order","value":"7"}',
        "密码忘记了怎么办？token 是什么",
        "max_tokens=4096&stop_token=END",
        "",
    ],
)
def test_what_people_write_about_credentials_stays(text):
    assert scrub(text) == text


@pytest.mark.parametrize("word", [
    "secret", "token", "passwd", "passphrase", "pwd", "authorization", "x-auth", "cookie", "credential", "api_key", "api-key",
    "apikey", "accesskey", "privatekey", "authkey", "subscriptionkey", "signingkey", "bearer ", "basic ", "x://y", "sk-", "app-",
    "dataset-", "ghp_", "gho_", "github_pat_", "glpat-", "xox", "xapp-", "hf_", "private key-",
])  # fmt: skip
def test_the_first_look_misses_no_word_that_the_patterns_know(word):
    """Most texts get this look only, so it must let through whatever a pattern could match, in any usual case."""
    for spelled in (
        {word, word.upper(), word.title(), f"my{word.capitalize()}"} if word.isalpha() or " " in word else {word}
    ):
        assert _may_hold_one(spelled), spelled
    assert _may_hold_one("AKIA")
    assert _may_hold_one("ASIA")
    assert _may_hold_one("eyJ")
    assert _may_hold_one("AIza")


_PIECES = st.sampled_from(
    [
        '"', "'", "\\", '\\"', "{", "}", "[", "]", ":", "=", ",", "&", "?", "\n", "\\n", "\r\n", " ", "://", "@", "api_key", "token",
        "Authorization", "Bearer ", "Basic ", "Cookie", "password", "value", "key", "name", "input_value=", ", input_type=",
        "sk-abcdefghijklmnop1", SECRET, MASK, "total_tokens", "x", "-----BEGIN PRIVATE KEY-----", "-----END", JWT, "订单", "null",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=25).map("".join))
def test_scrubbing_twice_changes_nothing_more(text):
    once = scrub(text)
    assert scrub(once) == once


@given(
    st.dictionaries(st.sampled_from(["api_key", "password", "Authorization", "note"]), st.text(max_size=20), max_size=4)
)
def test_json_stays_json_whatever_the_values(value):
    kept = json.loads(scrub(json.dumps({"outer": value, "text": json.dumps(value)})))
    assert kept["outer"].keys() == value.keys()
    assert kept["outer"].get("note") == value.get("note")
    for name in value.keys() - {"note"}:
        assert kept["outer"][name] in {value[name], MASK} or kept["outer"][name].endswith(MASK)


@pytest.mark.parametrize(
    "piece",
    [
        '"', '\\"', "token", '"token":"', "api_key='", "a" * 39 + "_", "Bearer ", "eyJaaaaaaaa.", '{"key":"token",', "\nCookie: ",
        "://u:", "sk-", "\\", "-----BEGIN PRIVATE KEY-----", "\napi_key\n input_value=", "token=x ", "password: a b ",
    ],
)  # fmt: skip
def test_no_text_takes_more_than_a_moment(piece):
    """Every pattern is bounded: half a megabyte of what begins like a credential is one pass, not a million."""
    scrub("secret " + piece * (500_000 // len(piece)))
