"""What each detector takes and leaves, beside the older table in test_masks.py. Numbers are made up, their digits right."""

from __future__ import annotations

import json

import pytest

from monitor.model import Redaction
from monitor.normalise.redact.masks import Masks
from tests.support.leaving import redact

MASKED = [
    # identity numbers
    ("身份证110105198807230413，", "身份证[id]，"),
    ("号码 110105 19880723 0413 有效", "号码 [id] 有效"),
    ("１１０１０５１９８８０７２３０４１３", "[id]"),
    ("信用代码91110105MA00112340", "信用代码91110105MA00112340"),  # a wrong check digit
    ("身份證 A123456(3)", "身份證 [id]"),
    ("110105198807230413(110105198807230413)", "[id]([id])"),
    ("110105198807230413.Please, 219-09-9998.", "[id].Please, [id]."),
    ("台湾 A123456789 用户", "台湾 [id] 用户"),
    ("SSN 219-09-9998.", "SSN [id]."),
    ("CPF 390.533.447-05", "CPF [id]"),
    ("DNI 54362315K", "DNI [id]"),
    ("(codice fiscale RCCMNL83S18D969H)", "(codice fiscale [id])"),
    ("护照号：E12345678", "护照号：[id]"),
    ("passport no. AB1234567", "passport no. [id]"),
    ("身份证号是 110105198807230414", "身份证号是 [id]"),  # mistyped, and still somebody's
    # cards
    ("卡号4000056655665556。", "卡号[card]。"),
    ("4000 0566 5566 5556", "[card]"),
    ("4000-0566-5566-5556", "[card]"),
    ("3782 822463 10005", "[card]"),
    ("IBAN DE89 3704 0044 0532 0130 00, BIC X", "IBAN [card], BIC X"),
    ("GB82WEST12345698765432", "[card]"),
    # machines
    ("from 10.0.0.1:5432", "from [ip]:5432"),
    ("http://192.168.1.7/x", "http://[ip]/x"),
    ("[2001:db8::8a2e:370:7334]:443 and fe80::1", "[[ip]]:443 and [ip]"),
    ("2001:db8:0:0:0:0:0:1: no route", "[ip]: no route"),
    ("MAC 00:1a:2b:3c:4d:5e", "MAC [ip]"),
    # telephone numbers
    ("（021）62345678", "[phone]"),
    ('"phone": "4155550188"', '"phone": "[phone]"'),
    ("电话 62345678", "电话 [phone]"),
    ("fax: (415) 555-0188", "fax: [phone]"),
    # keys
    ("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "[key]"),
    ("LTAI5tAbCdEfGhIjKlMnOpQr", "[key]"),
    ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7aaa-4bc4-97a0-0ec2sifa5aaa",
     "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=[key]"),
    ("SecretKey=0123456789abcdef0123", "SecretKey=[key]"),
    # names
    ("我叫张伟，", "我叫[name]，"),
    ("我叫赵敏今年20岁", "我叫[name]今年20岁"),
    ("患者王建国因发热就诊", "患者[name]因发热就诊"),
    ("姓名：阿卜杜·热合曼，", "姓名：[name]，"),
    ("请欧阳先生回电", "请[name]先生回电"),
    ("你好，我是李雷，", "你好，我是[name]，"),
    (
        "https://x.blob.core.windows.net/a?sv=1&sig=aB3dEfGhIj%2BlMnOpQrStUvWx%2FyZ0123456789aBcDeF%3D&sr=b",
        "https://x.blob.core.windows.net/a?sv=1&sig=[key]&sr=b",
    ),  # escapes stand for + / and =, which most signatures have
    ("My name is Ada Lovelace.", "My name is [name]."),
    ("Dear Ms. O'Neill,", "Dear Ms. [name],"),
    ("Patient: Jean-Luc Picard, 60", "Patient: [name], 60"),
    ("Best regards,\nAda King\n", "Best regards,\n[name]\n"),
    ('{"patient_name": "ada", "customerName": "bob"}', '{"patient_name": "[name]", "customerName": "[name]"}'),
]  # fmt: skip

KEPT = [
    "订单 4000056655665556 已付款",  # a word before it says what it is; in groups it would be masked
    "4000056655665557 91110105MA00112340 110105198807230414",  # wrong check digits
    "订单号 20250920123456789012 流水 1234567890123456789",
    "2025-09-20 10:00:00 2025/09/20 20250920T120000Z",
    "ISBN 978-7-302-12345-6 EAN 6901234567892 UPC 036000291452 lot 20250307A",
    "Chrome/120.0.6099.109 v2.10.3.1 版本 3.2.1.4 OID 1.3.6.1.4.1",
    "600519 000001 US0378331005 37.7749 13.404954 $1,299.00 ¥458.90",
    "d41d8cd98f00b204e9800998ecf8427e sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "常见问题 高级会员 项目经理 班主任 语文老师 由于先生效再通知 联系人：无 姓名：未知",
    "I'm Sorry, Dear Customer, Name: 12 patient: stable",
    '{"name": "get_weather", "model_name": "gpt-4o", "tool_name": "search"}',
    "dead::beef std::map x::y 1::2",
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_what_is_somebody_s_is_masked(text, masked):
    assert redact(text) == masked


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_json_in_ascii_hides_nothing(text, masked):
    """Cues and names are there as escapes only; what leaves is the same JSON with masks in it."""
    assert json.loads(redact(json.dumps({"value": f"x {text}"}))) == {"value": f"x {masked}"}


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_it_stays(text):
    assert redact(text) == text


def test_json_in_json_in_ascii():
    inner = json.dumps({"说": "我叫张伟，电话13812345678"})
    assert json.loads(json.loads(redact(json.dumps({"x": inner})))["x"]) == {"说": "我叫[name]，电话[phone]"}


@pytest.mark.parametrize(
    "value",
    [
        {"phones": [13812345678, -13912345678], "n": 1.5},
        {"card": 4000056655665556},
        [{"id": 110105198807230413}],
        [1, "13812345678"],
    ],
)
def test_bare_numbers_anywhere_leave_json(value):
    masked = redact(json.dumps(value))
    assert json.loads(masked)
    assert not [digits for digits in ("13812345678", "13912345678", "400005", "110105") if digits in masked]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("card", "4000056655665556"),
        ("email", "a@b.com"),
        ("id", "110105198807230413"),
        ("ip", "10.0.0.1"),
        ("key", "password: hunter2!"),
        ("name", "我叫张伟，"),
        ("phone", "+44 20 7946 0718"),
    ],
)
def test_each_kind_can_be_kept(kind, text):
    assert Masks(Redaction(keep=(kind,))).of(text) == text
    assert f"[{kind}]" in redact(text)


def test_national_numbers_by_region():
    text = "030 23125 123 and 415-555-0188"
    assert Masks(Redaction(regions=("DE",))).of(text) == "[phone] and 415-555-0188"
    assert redact(text) == "030 23125 123 and [phone]"


def test_counts_and_places():
    masks = Masks(Redaction())
    assert masks.counted("a@b.com, 13812345678 c@d.com")[1] == {"[email]": 2, "[phone]": 1}
    text = r"{\"t\": \"\u7535\u8bdd13812345678\"}"
    (found,) = masks.found(text)
    assert text[found.start : found.end] == "13812345678"
