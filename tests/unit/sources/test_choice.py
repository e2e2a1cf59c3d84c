"""Which turns are wanted: lists that must agree, lists of which one is enough, patterns, apps that are gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.normalise.rows import AppRow
from monitor.sources.dify_database.choice import Choice, Exclude, Include

SHOP = AppRow(id="5d1c", tenant_id="t1", name="Shop assistant", mode="agent-chat", tenant_name="Sales (EU)")
GONE = AppRow(id="77aa", tenant_id="", name="", mode="")

names = st.text(min_size=1, max_size=12).filter(str.strip)
apps = st.builds(AppRow, id=names, tenant_id=names, name=names, mode=names, tenant_name=st.just("") | names)


@given(app=st.none() | apps, invoke_from=st.text(max_size=8))
def test_without_words_everything_is_wanted(app, invoke_from):
    assert Choice().admits(app, invoke_from)
    assert Choice().everything


@given(apps, names)
def test_a_name_or_an_id_that_is_written_exactly_is_always_meant(app, invoke_from):
    """Also one with brackets or stars in it, as people's names of apps have them."""
    for word in (app.id, app.name):
        assert Choice(Include(apps=(word,))).admits(app, invoke_from)
        assert not Choice(exclude=Exclude(apps=(word,))).admits(app, invoke_from)
    assert not Choice(exclude=Exclude(invoke_from=(invoke_from,))).admits(app, invoke_from)


@given(apps, names)
def test_exclude_goes_before_include(app, invoke_from):
    assert not Choice(Include(apps=("*",)), Exclude(modes=(app.mode,))).admits(app, invoke_from)


@pytest.mark.parametrize("word", ["5d1c", "Shop assistant", "Shop*", "*assist*", "Shop?assistant", "5d??"])
def test_words_that_mean_an_app(word):
    assert Choice(Include(apps=(word,))).admits(SHOP, "web-app")


@pytest.mark.parametrize("word", ["shop assistant", "Shop", "t1", "agent-chat", "Sales (EU)", "5d"])
def test_words_that_do_not_mean_that_app(word):
    assert not Choice(Include(apps=(word,))).admits(SHOP, "web-app")


@pytest.mark.parametrize("word", ["t1", "Sales (EU)", "Sales*"])
def test_a_workspace_goes_by_id_or_name(word):
    assert Choice(Include(workspaces=(word,))).admits(SHOP, "")


def test_all_lists_of_include_must_agree_and_one_of_exclude_is_enough():
    both = Include(modes=("agent-chat",), invoke_from=("web-app",))
    assert Choice(both).admits(SHOP, "web-app")
    assert not Choice(both).admits(SHOP, "debugger")
    either = Exclude(modes=("workflow",), invoke_from=("debugger",))
    assert Choice(exclude=either).admits(SHOP, "web-app")
    assert not Choice(exclude=either).admits(SHOP, "debugger")


@pytest.mark.parametrize("app", [None, GONE])
def test_an_app_that_dify_no_longer_knows_is_in_no_list(app):
    """So it is not wanted where apps are named, and not unwanted where others are."""
    assert not Choice(Include(apps=("Shop*",))).admits(app, "web-app")
    assert not Choice(Include(workspaces=("*",))).admits(app, "web-app")
    assert Choice(exclude=Exclude(apps=("*",))).admits(None, "web-app")
    assert Choice(exclude=Exclude(modes=("*",), workspaces=("*",))).admits(app, "web-app")
    assert Choice(Include(invoke_from=("web-app",))).admits(app, "web-app")


def test_a_deleted_app_is_still_known_by_its_id():
    assert Choice(Include(apps=("77aa",))).admits(GONE, "")


@pytest.mark.parametrize("section", [Include, Exclude])
def test_an_empty_word_and_an_unknown_list_are_refused(section):
    with pytest.raises(ValidationError, match="an entry is empty"):
        section(apps=("Shop*", " "))
    with pytest.raises(ValidationError, match="not permitted"):
        section(app=("Shop*",))
