"""How Chinese names are made: which characters are surnames, which are no part of a name, and where a name ends.

Nothing stands between Chinese words, so an end is guessed: a name has one or two characters after its surname, and what
follows it is punctuation or one of the words that follow names. Called by `names.py`.
"""

from __future__ import annotations

__all__ = ["LONGEST", "is_surname_at", "name_before_title", "name_end"]

LONGEST = 4
"""Characters of a name with a surname of two."""

_SURNAMES = frozenset(
    "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹"
    "熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢骆岳齐梅"
    "莫庄辛管祝左涂谷祁耿舒卜路詹关苗凌费纪靳盛童欧甄曲游阳裴席卫查屈鲍位覃霍翁隋甘景薄单包司柏宁柯阮桂闵解强柴华车冉房边辜闫肖付蓝"
    "張陳劉楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許呂蘇盧蔣賈葉閻鍾譚鄒陸龍錢湯賴龐顏嚴溫韋畢聶駱齊莊盧歐區關費紀衛簡連"
)
_COMPOUND = frozenset(
    [
        "欧阳",
        "上官",
        "司马",
        "诸葛",
        "东方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "长孙",
        "宇文",
        "司徒",
        "夏侯",
        "令狐",
        "轩辕",
        "端木",
        "南宫",
        "西门",
        "独孤",
        "歐陽",
        "司馬",
        "諸葛",
    ]
)
_NO_PART = frozenset(
    "的是在有了我你您他她它们吗呢吧不没要想请很和与及或被把给对从到这那什么哪谁怎几多少男女号岁因为已将就也都还又再只个位名人员"
    "说问来去者，。、们請與對從這個員說問來總级"
)
"""Characters that end a name, as no given name has them."""
_FOLLOWERS = [
    "先生",
    "女士",
    "小姐",
    "太太",
    "医生",
    "大夫",
    "护士",
    "老师",
    "经理",
    "主任",
    "教授",
    "律师",
    "同志",
    "同学",
    "师傅",
    "今年",
    "今天",
    "昨天",
    "明天",
    "前天",
    "上周",
    "上个月",
    "上月",
    "去年",
    "刚才",
    "刚刚",
    "现在",
    "目前",
    "主诉",
    "诉",
    "入院",
    "出院",
    "就诊",
    "住院",
    "性别",
    "年龄",
    "电话",
    "手机",
    "邮箱",
    "身份证",
    "证件",
    "来电",
    "来访",
    "反馈",
    "反映",
    "投诉",
    "咨询",
    "表示",
    "要求",
    "申请",
    "提交",
    "签署",
    "签收",
    "购买",
    "下单",
    "预约",
    "住",
    "你好",
    "您好",
    "投保",
    "改签",
    "同意",
    "致电",
    "报修",
    "确认",
    "地址",
    "联系",
    "卡号",
    "账号",
    "的",
    "是",
    "在",
    "了",
    "和",
    "与",
    "及",
    "对",
    "于",
    "从",
    "想",
    "要",
    "说",
    "问",
    "因",
    "已",
    "男",
    "女",
    "为",
    "有",
    "也",
    "就",
    "还",
    "将",
    "把",
    "给",
    "请",
    "来",
    "去",
    "不",
    "没",
    "被",
    "到",
]
_LONGEST_FOLLOWER = 3
_FOLLOWS = frozenset(_FOLLOWERS)
_BEFORE = frozenset(
    "请找给问让系是由和跟与及的谢转约叫位名向对告户者人士，、。：:；！？,;!?（）()“”\"' \n\t致知派为把被经属员"
)
"""Characters after which a word can begin that is a name."""


def is_surname_at(text: str, place: int) -> bool:
    """Whether a name could begin there."""
    return text[place : place + 1] in _SURNAMES or text[place : place + 2] in _COMPOUND


def name_end(text: str, start: int, *, loose: bool) -> int | None:
    """Where the name that begins at `start` ends; None where none does.

    `loose`: what announced the name is sure enough to take two characters where no end can be told.
    """
    surname = 2 if text[start : start + 2] in _COMPOUND else 1
    if not is_surname_at(text, start):
        return None
    first = start + surname
    given = _given_chars(text, first)
    for length in range(given, 0, -1):
        if _is_end(text, first + length):
            return first + length
    return first + given if loose and given else None


def name_before_title(text: str, start: int, title: int, *, sure: bool) -> int | None:
    """Where the name begins that ends at a title; None where none does.

    The longest name that stands behind the beginning of a word; else, before a sure title, the surname alone.
    """
    for place in range(start, title):
        surname = 2 if text[place : place + 2] in _COMPOUND and place + 2 <= title else 1
        given = title - place - surname
        whole = is_surname_at(text, place) and 0 <= given <= 2 and not set(text[place + surname : title]) & _NO_PART  # noqa: PLR2004 - a name's most
        if whole and (place == 0 or text[place - 1] in _BEFORE or not _is_han(text[place - 1])):
            return place
    if sure and title > start and text[title - 1] in _SURNAMES:
        return title - 1
    return None


def _given_chars(text: str, first: int) -> int:
    """How many characters could be a given name: at most two."""
    count = 0
    while count < 2 and first + count < len(text) and _is_given(text[first + count]):  # noqa: PLR2004
        count += 1
    return count


def _is_given(char: str) -> bool:
    return _is_han(char) and char not in _NO_PART


def _is_end(text: str, place: int) -> bool:
    if place >= len(text) or not _is_han(text[place]):
        return True
    return any(text[place : place + length] in _FOLLOWS for length in range(1, _LONGEST_FOLLOWER + 1))


def _is_han(char: str) -> bool:
    return "㐀" <= char <= "鿿"
