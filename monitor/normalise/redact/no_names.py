"""Words that stand where names do and are none: what a form says, departments, illnesses, products, days.

Called by `names.py` for what a word, a title or a field announced.
"""

from __future__ import annotations

import re

from monitor.normalise.redact.han_names import is_surname_at

__all__ = ["is_nobody"]

# Whole: what forms have in place of a name.
_EMPTY = frozenset(
    word
    for line in (
        "无 未知 本人 同上 暂无 匿名 不详 前台 保密 未填 没有 为空 空 客服 系统 管理员 测试 用户 先生 女士 默认",
        "必填 选填 可选 待填 非空 待定 不限 略 隐藏 已隐藏 脱敏 全部 其他 其它 男 女",
    )
    for word in line.split()
)
# Anywhere in it: no name has them.
_HAN_PART = re.compile(
    r"公司|银行|集团|有限|医院|学校|大学|学院|中心|部门|办公|客服|血压|血糖|血脂|糖尿|肿瘤|发热|感冒|肺炎|手术|疼|病|症|癌"
    r"|退款|退货|发票|需要|要求|投诉|咨询|填写|必填|选填|信息|服务|管理|数据|系统|产品|设备|订单|地址|电话|合同"
)
# At its end.
_HAN_END = re.compile(r"(?:[部局组店厂]|团队)$")
_HAN_OFFICE = re.compile(r"[科室行处院所]$")  # where it does not begin as a name does: 王科 is one
_HAN_EITHER = frozenset(
    word
    for line in (
        "安静 安心 白天 成功 成立 方向 高兴 关于 国家 何时 江南 金属 季度 简单 万一 石头 夏天 夏季 周一 周二 周三",
        "周四 周五 周六 周日 平时 上海 明细",
    )
    for word in line.split()
)
"""Of those below, such as a name of three characters may begin with."""
# At its beginning: words whose first character is a surname as well.
_HAN_START = frozenset(
    word
    for line in (
        "安全 安装 安排 安心 安静 安卓 白天 白色 白名 包括 包含 包装 包裹 毕业 边界 边缘 柴油 常见 常规 常用 常年",
        "常务 车辆 车险 车主 车间 成本 成功 成为 成员 成绩 成立 程序 程度 单位 单独 单价 单号 单据 段落 范围 方案",
        "方法 方便 方面 方式 方向 房产 房屋 房租 房间 房东 费用 付款 付费 甘肃 高中 高级 高度 高端 高新 高温 高兴",
        "高血 高效 高校 顾问 顾客 关于 关系 关注 关闭 关联 管理 广告 广东 国家 何时 和解 华东 华北 华南 黄金 黄色",
        "季度 纪录 纪念 简单 简介 江南 江苏 江西 解决 解释 解除 金额 金融 金属 景区 景点 连接 连续 林业 龙头 路线",
        "路由 路径 路过 马上 毛利 明细 莫名 宁波 宁夏 牛奶 平台 平时 钱包 钱款 强烈 强调 区域 区别 曲线 任务 任何",
        "任意 商户 商家 商务 商品 商业 上海 石油 石头 时间 时候 施工 水平 司机 孙子 童装 万一 万元 卫生 卫星 温度",
        "温馨 席位 向导 项目 辛苦 严重 严格 阳光 阳性 易用 尤其 游戏 游客 游泳 章程 张贴 查询 查看 查收 周末 周期",
        "周边 周一 周二 周三 周四 周五 周六 周日 祝福 庄园 左右 贺卡 计划 向上 文件 文档 文本 经理 通知 强制 解锁",
        "单元 计算 付出 夏天 夏季 秋季 冬季 康复 武器 雷达 汤药 麻烦 党员 应用",
    )
    for word in line.split()
)
_LATIN = frozenset(
    word
    for line in (
        "monday tuesday wednesday thursday friday saturday sunday january february march july september october",
        "november december christmas easter required optional pending anonymous unknown untitled none null hidden",
        "redacted default python java javascript typescript docker compose kubernetes linux windows macos android",
        "ubuntu debian apache nginx redis postgres postgresql mysql mongodb kafka prometheus grafana",
        "elasticsearch kibana jenkins github gitlab google microsoft amazon azure oracle openai chatgpt gemini",
        "dify langchain code server service cloud client database data table report order total line lines item",
        "items web api app application system error warning file test demo example sample support customer",
        "product project company department team office center centre account budget draft invoice weekly daily",
        "monthly annual quarterly summary overview ingress cluster node model version release update chapter",
        "section part step question answer important urgent great good bad wrong right correct my your our their",
        "his her its what why how where when just only very really",
    )
    for word in line.split()
)


def is_nobody(words: str) -> bool:
    """Whether this is no name whatever stood before it. Linear in it."""
    words = words.strip()
    start = words[:2]
    if words in _EMPTY or (start in _HAN_START and (len(words) == len(start) or start not in _HAN_EITHER)):
        return True
    if _HAN_PART.search(words) or _HAN_END.search(words):
        return True
    if _HAN_OFFICE.search(words) and not is_surname_at(words, 0):
        return True
    return any(word.strip(".'’").lower() in _LATIN for word in words.split())
