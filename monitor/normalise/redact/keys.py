"""Keys, tokens and passwords: by the prefix that their issuer gives them, by the word before them, by their frame.

The prefixes are facts that the issuers publish, or that the lists of open secret scanners name. A prefix alone is not
enough: what follows must be long enough, and must not look like English words or a UUID.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from monitor.normalise.redact.detector import AFTER_CUE, ByPattern, Detector, Need, Seen, Span

__all__ = ["key_detectors"]

_MASK = "[key]"

# At least one digit among the first letters: English words are no keys.
_HAS_DIGIT = r"(?=[A-Za-z_.~+/-]{0,64}[0-9=])"
_HAS_LETTER = r"(?=[0-9_.~+/=-]{0,64}[A-Za-z])"
_NO_UUID = r"(?![0-9a-fA-F]{8}-[0-9a-fA-F]{4}-)"
# Not inside another word, but well behind a JSON escape (those of the view are undone, but for a few).
_APART = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[bfu]))"
_CHARS = "A-Za-z0-9"

_FRAMED = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"[A-Za-z0-9+/=\s\\:,]*+(?:-(?!----)[A-Za-z0-9+/=\s\\:,]*+)*+"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_USERINFO = re.compile(r"(?<=://)[A-Za-z0-9!$%&()*+.:;=_~-]{1,256}+(?:@[A-Za-z0-9!$%&()*+.:;=_~-]{1,256}+(?=@))*+(?=@)")
_SCHEME = re.compile(rf"b(?<![a-z0-9].)(?:earer|asic)[ \t]{{1,8}}({_HAS_DIGIT}[a-z0-9._~+/=-]{{8,}}+)")
# The first letter stands alone, in both cases: the search can then skip to it.
_NAMED = re.compile(
    r"[aAkKsStT密令](?:(?:(?<=K)(?<![A-Z].)|(?<=[kK])(?<![A-Za-z].))(?i:ey)|(?i:pi_?key|ccess_?key|ecret|oken)|钥|牌)"
    r"(?i:[_-]?(?:key|id|access))?"
    rf"{AFTER_CUE}({_NO_UUID}{_HAS_DIGIT}{_HAS_LETTER}[A-Za-z0-9._~+/=-]{{16,}}+)"
)
_PASSWORD = re.compile(
    rf"(?:passw(?:or)?d|passphrase|pwd|密码|口令){AFTER_CUE}"
    r"((?![a-z]{1,24}[.?;:)]{1,4}(?![0-9a-z!#$%&*+/<=>@^_`{|}~-])|case-)"
    r"(?=[a-z]{0,64}[0-9!#$%&()*+./:;<=>?@^_`{|}~-])[0-9a-z!#$%&()*+./:;<=>?@^_`{|}~-]{6,}+)"
)
# Addresses of chat robots: who knows the last part may write into the group.
_HOOK = re.compile(
    r"(?:hooks\.slack\.com/services/|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/"
    r"|qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=|oapi\.dingtalk\.com/robot/send\?access_token="
    r"|discord(?:app)?\.com/api/webhooks/)([A-Za-z0-9_/-]{16,}+)"
)

_PREFIXES: tuple[tuple[str | tuple[str, ...], str], ...] = (
    ("k-", rf"[sprm]k-{_HAS_DIGIT}[{_CHARS}_-]{{16,}}+"),  # OpenAI, Anthropic, DeepSeek, Langfuse, and many more
    ("app-", rf"app-[{_CHARS}]{{16,}}+"),  # Dify
    ("dataset-", rf"dataset-[{_CHARS}]{{16,}}+"),
    (("akia", "asia", "abia", "acca"), r"A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}+(?![0-9A-Za-z])"),  # Amazon
    ("ltai", rf"LTAI[{_CHARS}]{{12,30}}+(?![{_CHARS}])"),  # Alibaba Cloud
    ("akid", rf"AKID[{_CHARS}]{{13,40}}+(?![{_CHARS}])"),  # Tencent Cloud
    ("aklt", rf"AKLT[{_CHARS}]{{20,60}}+"),  # Volcengine
    ("altak", rf"(?:bce-v3/)?ALTAK-[{_CHARS}/]{{16,}}+"),  # Baidu AI Cloud
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        rf"gh[pousr]_[{_CHARS}]{{20,}}+|github_pat_[{_CHARS}_]{{22,}}+",
    ),
    (
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-", "glsoat-", "glffct-"),
        r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[A-Za-z0-9_.-]{16,}+",
    ),  # GitLab
    ("xox", rf"xox[abeposr](?:\.xox[bp])?-[{_CHARS}-]{{10,}}+"),  # Slack
    ("xapp-", rf"xapp-[{_CHARS}-]{{16,}}+"),
    ("aiza", r"AIza[0-9A-Za-z_-]{35,}+"),  # Google
    ("ya29.", r"ya29\.[0-9A-Za-z_-]{20,}+"),
    ("gocspx-", r"GOCSPX-[0-9A-Za-z_-]{20,}+"),
    ("eyj", r"eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+)?"),  # a JSON Web Token
    ("hf_", rf"hf_[{_CHARS}]{{30,}}+"),  # Hugging Face
    (("k_live_", "k_test_", "k_prod_"), rf"[sr]k_(?:live|test|prod)_[{_CHARS}]{{10,}}+"),  # Stripe
    ("whsec_", r"whsec_[A-Za-z0-9+/=]{20,}+"),
    ("npm_", rf"npm_[{_CHARS}]{{30,}}+"),
    ("pypi-", r"pypi-AgE[A-Za-z0-9_-]{40,}+"),
    ("sg.", r"SG\.[A-Za-z0-9_-]{16,32}+\.[A-Za-z0-9_-]{16,64}+"),  # SendGrid
    ("key-", r"key-[0-9a-f]{32}(?![0-9a-f])"),  # Mailgun
    ("_v1_", r"do[opr]_v1_[0-9a-f]{32,}+"),  # DigitalOcean
    (("shpat_", "shpca_", "shppa_", "shpss_"), r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),  # Shopify
    ("dapi", r"dapi[0-9a-f]{32}(?:-[0-9])?"),  # Databricks
    ("gsk_", rf"gsk_[{_CHARS}]{{30,}}+"),  # Groq
    ("xai-", rf"xai-[{_CHARS}]{{40,}}+"),
    ("r8_", rf"r8_[{_CHARS}_-]{{30,}}+"),  # Replicate
    ("pplx-", rf"pplx-[{_CHARS}]{{30,}}+"),  # Perplexity
    ("nvapi-", rf"nvapi-[{_CHARS}_-]{{40,}}+"),  # NVIDIA
    ("tvly-", rf"tvly-[{_CHARS}-]{{20,}}+"),  # Tavily
    ("fc-", r"fc-[0-9a-f]{32}(?![0-9a-f])"),  # Firecrawl
    ("lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),  # LangSmith
    ("pcsk_", rf"pcsk_[{_CHARS}_]{{30,}}+"),  # Pinecone
    ("lin_api_", rf"lin_api_[{_CHARS}]{{30,}}+"),  # Linear
    ("ntn_", rf"ntn_[{_CHARS}]{{40,}}+"),  # Notion
    (":aa", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),  # a Telegram bot
    (("sntrys_", "sntryu_"), r"sntry[su]_[A-Za-z0-9+/=_-]{40,}+"),  # Sentry
    (("glsa_", "glc_"), r"gl(?:sa|c)_[A-Za-z0-9+/=_]{32,}+"),  # Grafana
    (("hvs.", "hvb.", "hvr."), r"hv[sbr]\.[A-Za-z0-9_-]{24,}+"),  # HashiCorp Vault
    ("atatt3", r"ATATT3[A-Za-z0-9_=-]{40,}+"),  # Atlassian
    ("figd_", r"figd_[A-Za-z0-9_-]{30,}+"),  # Figma
    (("phc_", "phx_"), rf"ph[cx]_[{_CHARS}]{{30,}}+"),  # PostHog
    ("sbp_", r"sbp_[0-9a-f]{40}"),  # Supabase
    ("pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),  # Airtable
    ("age-secret-key-", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}+"),
    ("accountkey=", r"(?<=AccountKey=)[A-Za-z0-9+/=]{40,}+"),  # Azure storage
    ("sig=", r"(?<=[?&]sig=)[A-Za-z0-9%+/=]{40,}+"),  # an Azure address with access in it
)
"""What (or one of which) must be in the lower-cased text for the pattern to fit, and the pattern."""


class _Prefixed:
    """Keys that say by their first letters whose they are."""

    mask = _MASK
    needs: Need = "long word"

    def __init__(self) -> None:
        self._patterns = [re.compile(f"{_APART}(?:{pattern})") for _, pattern in _PREFIXES]
        each = [(hint if isinstance(hint, tuple) else (hint,), place) for place, (hint, _) in enumerate(_PREFIXES)]
        self._hints = [(hint, place) for hints, place in each for hint in hints]

    def find(self, seen: Seen) -> Sequence[Span]:
        """What fits the patterns whose hints are there."""
        lower = seen.lower
        wanted = [place for hint, place in self._hints if hint in lower]
        if not wanted:
            return ()
        return _apart([match.span() for place in set(wanted) for match in self._patterns[place].finditer(seen.text)])


def _apart(spans: list[Span]) -> list[Span]:
    """In order, and of those that overlap only the first."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if not found or start >= found[-1][1]:
            found.append((start, end))
    return found


def key_detectors() -> Iterator[Detector]:
    """All of them; what is longest and surest is looked for first."""
    yield ByPattern(_MASK, _FRAMED, "private key", needs="latin")
    yield ByPattern(_MASK, _USERINFO, "://", needs="latin")
    yield ByPattern(_MASK, _SCHEME, "bearer", "basic", needs="latin", lower=True)
    yield ByPattern(_MASK, _HOOK, "/hook/", "hooks", "webhook", "/robot/send", needs="long word")
    yield _Prefixed()
    yield ByPattern(_MASK, _NAMED, "key", "secret", "token", "密钥", "令牌", needs="long word")
    yield ByPattern(_MASK, _PASSWORD, "passw", "passphrase", "pwd", "密码", "口令", lower=True)
