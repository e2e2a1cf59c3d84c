"""`monitor redact`: a text goes in, what would leave comes out, with the configuration in force."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from monitor.cli import cli

TEXT = "合同 HT-2025-001，联系示例公司 ALICE，电话 13812345678\n"


def redact(*arguments, text=TEXT, **redaction):
    if redaction:
        with open("monitor.yaml", "w", encoding="utf-8") as file:  # noqa: PTH123 - in the test's own folder
            yaml.safe_dump({"redaction": redaction}, file)
    return CliRunner().invoke(cli, ["redact", *arguments], input=text.encode())


def test_without_a_configuration_the_defaults_are_in_force():
    done = redact()
    assert done.stdout == "合同 HT-2025-001，联系示例公司 ALICE，电话 [phone]\n"
    assert done.stderr == "masked: 1 [phone]\n"


def test_patterns_words_and_what_is_kept(tmp_path):
    (tmp_path / "names.txt").write_text("# customers\n\nAlice\n", "utf-8")
    patterns = [{"pattern": "HT-[0-9]+-[0-9]+", "mask": "[contract]"}]
    done = redact(patterns=patterns, words=["示例公司"], words_file="names.txt", keep=["phone"])
    assert done.stdout == "合同 [contract]，联系[name] [name]，电话 13812345678\n"
    assert done.stderr == "masked: 2 [name], 1 [contract]\n"


def test_a_file_can_be_named(tmp_path):
    (tmp_path / "text").write_text("mail a@b.com ü", "utf-8")
    assert redact("text").stdout == "mail [email] ü"


def test_what_is_not_utf_8_is_refused(tmp_path):
    """Read as something else, a text in GB18030 would be masked wrongly."""
    (tmp_path / "text").write_bytes("ok 电话13812345678".encode("gb18030"))
    done = redact("text")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "not UTF-8 at byte 3" in done.stderr
    assert "iconv" in done.stderr


def test_a_rule_for_a_sink_that_is_not_there_is_refused():
    done = redact(apps=[{"app": "x", "content": "none", "sinks": ["elsewhere"]}])
    assert done.exit_code == 2
    assert "redaction.apps[0].sinks[0]: there is no sink of that name" in done.stderr


def test_the_sinks_that_rules_name_need_no_secret(tmp_path):
    config = {
        "sinks": [{"type": "otlp", "name": "there", "headers": {"authorization": "${NO_SUCH_SECRET}"}}],
        "redaction": {"apps": [{"app": "x", "content": "none", "sinks": ["there"]}]},
    }
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config), "utf-8")
    assert redact("--config", str(tmp_path / "other.yaml")).exit_code == 0


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"patterns": [{"pattern": "(?=a)", "mask": "[a]"}]},
            "redaction.patterns[0].pattern: no pattern: invalid perl",
        ),
        ({"patterns": [{"pattern": "a*", "mask": "[a]"}]}, "it fits an empty text"),
        ({"patterns": [{"pattern": "a", "mask": "***"}]}, "redaction.patterns[0].mask"),
        ({"words": ["x"]}, "redaction.words[0]: a word has 2 to 100 characters"),
        ({"words_file": "nowhere.txt"}, "redaction.words_file: the words can't be read: No such file"),
        ({"regions": ["CN", "XX"]}, "redaction.regions[1]: no region with telephone numbers (got 'XX')"),
        ({"keep": ["phones"]}, "redaction.keep[0]"),
    ],
)
def test_mistakes_are_told_in_their_place(section, said):
    done = redact(**section)
    assert done.exit_code == 2
    assert said in done.stderr
