from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.leaving import apply, redact

MASKED = [
    ("联系张三13812345678，邮箱zhang.san@example.com谢谢", "联系张三[phone]，邮箱[email]谢谢"),
    ("手机号：138-1234-5678", "手机号：[phone]"),
    ("+86 138 1234 5678", "[phone]"),
    ("008613812345678", "[phone]"),
    ("+1 (415) 555-2671 ok", "[phone] ok"),
    ("+44 20 7946 0958", "[phone]"),
    ("(415) 555-2671 or 415-555-2671", "[phone] or [phone]"),
    ("（010）12345678", "[phone]"),
    ("010-12345678转", "[phone]转"),
    ("tel:400-800-1234", "tel:[phone]"),
    ("write to bob.o+tag@mail.example.co.uk.", "write to [email]."),
    ("sk-abc123def456ghi789jkl0", "[key]"),
    ("key app-AbCdEfGhIjKlMnOpQrStUvWx", "key [key]"),
    ("dataset-AbCdEfGhIjKlMnOpQrStUvWx", "[key]"),
    ("Authorization: Bearer abc.def123-456_xyz", "Authorization: Bearer [key]"),
    ("Basic dXNlcjpwYXNzd29yZDE=", "Basic [key]"),
    ("AKIAIOSFODNN7EXAMPLE", "[key]"),
    ("ghp_abcdefghijklmnopqrst0123", "[key]"),
    ("api_key=0123456789abcdef0123456789abcdef", "api_key=[key]"),
    ('{"secretKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"}', '{"secretKey": "[key]"}'),
    (r"{\"x-api-key\": \"0123456789abcdef0123\"}", r"{\"x-api-key\": \"[key]\"}"),
    ("密钥：0123456789abcdef0123", "密钥：[key]"),
    ("密码是Abc12345", "密码是[key]"),
    ("password: hunter2!", "password: [key]"),
    ("postgresql://user:p%40ss@db:5432/x", "postgresql://[key]@db:5432/x"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-d", "[key]"),
    ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nDEK-Info: a\n-----END RSA PRIVATE KEY-----\nb", "a\n[key]\nb"),
    (r"-----BEGIN PRIVATE KEY-----\nMIIE==\n-----END PRIVATE KEY-----\n", r"[key]\n"),
]

KEPT = [
    "我的订单 #12345 到哪了？",
    "order 50002, 20250920123456, ORD20250920123, SO-2025-0920-0001, 112-1234567-1234567",
    "1758700800 1758700800000 1758700800123456789",
    "2025-09-20T10:00:00+08:00 2025-09-20T10:00:00+10:00",
    "00000002-0000-4000-8002-000000000001 f13812345678-1381-4234-8138-138123456780",
    "0.13812345678 13812345678.5",
    "127.0.0.1 0.0.0.0 255.255.255.0 v1.2.3.4 version 10.4.2.1 1.2.3.4.5 ::1 10:00:00 std::vector a::b",
    '"key": "00000002-0000-4000-8002-000000000001"',
    '"total_tokens": 1234567890123456, "token_count": 93',
    "bearer authentication and basic understanding",
    "scikit sk-learn-based-classifier task-1234567890123456789",
    "app-5b80828a-67a6-4c97-83f4-45adb217a886",
    "密码是什么 password: required",
    "react@18.2.0 @someone a@b",
    "https://example.com/a@b",
    "[credential] password: [credential] Bearer [credential] https://u:[credential]@host",
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_personal_data_and_keys_are_masked(text, masked):
    assert redact(text) == masked


@pytest.mark.parametrize("text", KEPT)
def test_what_is_neither_stays_as_it_is(text):
    assert redact(text) == text


def test_json_escapes_hide_nothing():
    text = json.dumps(
        {"t": "电话13812345678\n13912345678 邮箱alice@example.com\nbob@x.org 密钥\tsk-abc123def456ghi789"}
    )
    masked = json.loads(redact(text))
    assert masked == {"t": "电话[phone]\n[phone] 邮箱[email]\n[email] 密钥\t[key]"}


def test_a_bare_number_in_json_leaves_json():
    assert json.loads(redact('{"phone": 13812345678, "n": [1], "p":13912345678}')) == {
        "phone": "[phone]",
        "n": [1],
        "p": "[phone]",
    }


def test_a_number_inside_a_json_string_gets_no_quotes():
    assert json.loads(redact(json.dumps({"a": "tel:13812345678, 13912345678"}))) == {"a": "tel:[phone], [phone]"}


PIECES = st.sampled_from(
    [
        *(text for text, _ in MASKED),
        *KEPT,
        *"0123456789+-.()（）@:=_ \\\"'，,abkKZ密码[]",
        "[email]",
        "[phone]",
        "[key]",
        "138",
        "12345678",
        "+86",
        "a@b.com",
        "sk-",
        "://",
        "token:",
        "password=",
        "密码是",
        "Bearer ",
        r"\u8bdd",
        r"\n",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)))
@settings(deadline=None)
def test_masking_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


@given(st.text(alphabet="订单号码话机邮箱：，。 "), st.text(alphabet="转谢了。，"))
@settings(deadline=None)
def test_chinese_around_a_number_or_an_address_hides_neither(before, after):
    assert redact(f"{before}13812345678{after}") == f"{before}[phone]{after}"
    assert redact(f"{before}alice@example.com{after}") == f"{before}[email]{after}"


@given(st.integers(0, 10**10 - 1) | st.integers(10**19, 10**30), st.uuids())
@example(130, UUID("67259466-caa5-e837-1d99-73f12411e044"))
@settings(deadline=None)
def test_numbers_of_other_lengths_and_uuids_are_kept(number, uuid):
    """Of 14 to 19 digits some are a card's by chance: prefix, length and check digit are all that a card has."""
    assert redact(f"#{number} {uuid}") == f"#{number} {uuid}"


HOSTILE = [
    "1", "+1", "a@", "://a", "a.", "-----BEGIN PRIVATE KEY-----", "-a", "token:", "eyJ", "eyJaaaaaaaa.", "sk-",
    "password:", "bearer ", "\\", "138-1234-", "(010)", "\\u8bdd@", "Ab1+/", "\\n1",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_work_grows_with_the_text_and_not_with_its_square(piece):
    """100,000 characters of the worst: work that grew with the square would take very long, so that it ends says it."""
    for lead in ("", "a", "-----BEGIN PRIVATE KEY-----", "token:", "a@"):
        redact(lead + piece * (100_000 // len(piece)))


def test_a_megabyte_is_taken():
    assert redact("订单13812345678, a@b.com " * 40_000).count("[phone]") == 40_000


def test_policies():
    content = {"input": "a@b.com", "error": "sk-abc123def456ghi789jkl0"}
    assert apply("none", content) == {}
    assert apply("redacted", content) == {"input": "[email]", "error": "[key]"}
    assert apply("full", content) == content
    assert apply("full", content) is not content
    assert content == {"input": "a@b.com", "error": "sk-abc123def456ghi789jkl0"}
