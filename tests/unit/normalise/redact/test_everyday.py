"""What people write every day around what is masked, and what looks like it and is none. All of it is made up."""

from __future__ import annotations

import json

import pytest

from monitor.normalise.redact.detector import Seen
from monitor.normalise.redact.ids import id_detectors
from monitor.normalise.redact.keys import key_detectors
from monitor.normalise.redact.no_names import is_nobody
from monitor.normalise.redact.phones import phone_detectors
from tests.support.leaving import redact

MASKED = [
    # between the word and the value
    ("My passport number is E12345678, my SSN is 123456789.", "My passport number is [id], my SSN is [id]."),
    ("my password is Hunter2!, the API key is abcdef0123456789abcdef", "my password is [key], the API key is [key]"),
    ("The password was changed to Hunter2!", "The password was changed to [key]"),
    ("密码是：Zhang@2024", "密码是：[key]"),
    ("密码改成了Zhang@2024", "密码改成了[key]"),
    ("我的身份证号码是：110105198807230414", "我的身份证号码是：[id]"),
    ("SSN # 123456789", "SSN # [id]"),
    # telephone numbers behind a word
    ("电话号码：62345678", "电话号码：[phone]"),
    ("我的电话号码是62345678", "我的电话号码是[phone]"),
    ("座机号码 62345678", "座机号码 [phone]"),
    ("phone number: 2125551234", "phone number: [phone]"),
    ("My phone number is 62345678", "My phone number is [phone]"),
    # and by their form
    ("021-6234 5678", "[phone]"),
    ("(0755) 8888 6666", "[phone]"),
    ("0755-8888 6666", "[phone]"),
    ("打02162345678", "打[phone]"),
    ("打4001234567", "打[phone]"),
    ("400 123 4567", "[phone]"),
    ("0044 20 7946 0958", "[phone]"),
    ("138.1234.5678", "[phone]"),
    # machines
    ("::ffff:192.168.1.17", "[ip]"),
    ("::ffff:192.168.1.17.", "[ip]."),
    ("fe80::1", "[ip]"),
    ("fd00::5", "[ip]"),
    ("设备 00:11:22:33:44:55 离线", "设备 [ip] 离线"),
    ("10.0.0.1-10.0.0.9", "[ip]-[ip]"),
    ("nginx/10.0.0.1 chrome 10.0.0.1 ip==8.8.4.4", "nginx/10.0.0.1 chrome [ip] ip==[ip]"),
    # addresses with escapes
    ("email=laura%40example.com&phone=%2B8613812345678", "email=[email]&phone=[phone]"),
    ("%E7%94%B5%E8%AF%9D62345678", "%E7%94%B5%E8%AF%9D[phone]"),
    ("saved to laura@example.com.json", "saved to [email].json"),
    # names
    ("Name: 王芳", "Name: [name]"),
    ("name=张三", "name=[name]"),
    ("姓名：Zhang San", "姓名：[name]"),
    ("姓名王芳电话62345678", "姓名[name]电话[phone]"),
    ("患者王芳发热", "患者王芳发热"),  # where it ends can't be told
    ("姓名：周一鸣", "姓名：[name]"),
    ("联系人：王科", "联系人：[name]"),
    ("My name is April Page.", "My name is [name]."),
    ("Hello, this is Dana Whitfield.", "Hello, this is [name]."),
    ("this is Dana from accounts", "this is [name] from accounts"),
    ('username="Omar Haddad"', 'username="[name]"'),
    ('{"customer": "Laura Palmer", "phone": "13812345678"}', '{"customer": "[name]", "phone": "[phone]"}'),
    ('{"name": "张伟"}', '{"name": "[name]"}'),
]

KEPT = [
    "the key is important, the password is required. It is wrong. My passport is 10 years old, since 2015.",
    "password is case-sensitive, 密码是必须改的吗？电话是打不通的。",
    "hotel 12345678 order 13812345678 #4001234567 138.12345678",
    '{"memory": 17179869184, "duration_ns": 13512345678}',
    "foo==1.2.3.4 chrome 120.0.0.0 openssl 3.0.2.15 ::ffff:127.0.0.1",
    "开奖 03-08-15-22-27-33",
    "image@2x.png lodash@latest.min.js",
    "患者：高血压三级 负责人：市场部 客户：需要退款 姓名：必填 户名：中国银行 客户安全",
    "项目任务主任 游戏经理 高中老师 常见医生",
    "This is Python code. This is Docker Compose. This is Monday. Name: Required",
    'hostname=Web Server fieldname=Order Total filename="Report Q1.pdf" Product name: Blue Whale',
    '{"name": "Blue Whale"} {"phone": "13x"}',
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_everyday_writing_hides_nothing(text, masked):
    assert redact(text) == masked
    assert redact(masked) == masked


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_nor_does_json_in_ascii(text, masked):
    assert json.loads(redact(json.dumps({"value": f"x {text}"}))) == {"value": f"x {masked}"}


@pytest.mark.parametrize("text", KEPT)
def test_what_is_nobody_s_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize("depth", range(4))
def test_bare_numbers_leave_json_in_json(depth):
    """The quotes around a mask have as many backslashes as those around it."""
    value = {"phone": 13812345678, "more": [13912345678, -13912345678, "tel 13812345678"], "text": "a\nb", "n": 1}
    for _ in range(depth):
        value = {"inner": json.dumps(value, indent=1)}
    masked = json.loads(redact(json.dumps(value)))
    for _ in range(depth):
        masked = json.loads(masked["inner"])
    assert masked == {"phone": "[phone]", "more": ["[phone]", "[phone]", "tel [phone]"], "text": "a\nb", "n": 1}


def test_a_piece_of_json_in_other_text_keeps_its_quotes():
    assert redact(r"sent {\"phone\": 13812345678, \"n\": 1}") == r"sent {\"phone\": \"[phone]\", \"n\": 1}"


ID_CUES = [
    "身份证号",
    "身份证编号",
    "身份證號碼",
    "证件号码",
    "证件编号",
    "護照號碼",
    "护照号",
    "社保卡号码",
    "通行证号",
    "税号",
    "idcard",
    "id_card_no",
    "ssn",
    "passport",
    "pesel",
    "bsn",
    "personnummer",
    "sin",
    "steuer-id",
]
ID_PHRASES = ("social security number", "national id", "nhs number", "social insurance number")
PHONE_CUES = [
    "电话",
    "电話",
    "電話",
    "手机",
    "手機",
    "座机",
    "座機",
    "固话",
    "传真",
    "傳真",
    "热线",
    "熱線",
    "联系方式",
    "telephone",
    "tel",
    "phone",
    "mobile",
    "cell",
    "fax",
    "whatsapp",
]
KEY_CUES = [
    "key",
    "api_key",
    "apikey",
    "access_key",
    "secret",
    "token",
    "密钥",
    "令牌",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "密码",
    "口令",
]


@pytest.mark.parametrize(
    ("detectors", "cue", "value"),
    [
        *((id_detectors(), cue, "AB1234567") for cue in (*ID_CUES, *ID_PHRASES)),
        *((phone_detectors(()), cue, "62345678") for cue in PHONE_CUES),
        *((key_detectors(), cue, "abcdef0123456789abcdef") for cue in KEY_CUES),
    ],
)
def test_each_cue_is_reached_through_its_hint(detectors, cue, value):
    """Hints are written beside the patterns: one that is missing would leave its cue without force."""
    seen = Seen(f"{cue}: {value}")
    spans = [seen.text[start:end] for each in detectors for start, end in each.find(seen)]
    assert spans == [value]


def test_words_that_are_no_names():
    assert not [name for name in ("张伟", "王科", "白天宇", "April Page", "O'Neill") if is_nobody(name)]
    assert all(map(is_nobody, ("必填", "采购部", "高血压", "Docker Compose", "任务", "人事处")))
