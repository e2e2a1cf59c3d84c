"""The file that Kibana imports: it is what the code makes, hangs together, and names fields that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from monitor.normalise.document_fields import CONTENT, FIELDS
from monitor.sinks.elasticsearch import Config
from monitor.sinks.elasticsearch.kibana import Place, ndjson, objects
from monitor.sinks.elasticsearch.kibana.columns import Part, Ratio
from monitor.sinks.elasticsearch.kibana.views import FORMATS
from monitor.sinks.elasticsearch.templates import mappings, resources
from tests.support import kql
from tests.support.kibana import charts, controls, formula, markdown, panels, read, searches, views

SHIPPED = Path(__file__).parents[3] / "dashboards" / "kibana" / "dify.ndjson"
OBJECTS = read(SHIPPED.read_text(encoding="utf-8"))
CHARTS, SEARCHES = charts(OBJECTS), searches(OBJECTS)
BOARDS = [each for each in OBJECTS if each["type"] == "dashboard"]
CONTROLS = [(board["id"], control) for board in BOARDS for control in controls(board)]
KEYWORDS, NUMBERS, BOOLEANS = (
    {name for name, mapping in FIELDS.items() if mapping["type"] in types}
    for types in ({"keyword"}, {"long", "double"}, {"boolean"})
)
DATES = {name for name, mapping in FIELDS.items() if mapping["type"].startswith("date")}
RECORDS = "___records___"


def chart_id(chart):
    return f"{chart.board}-{chart.id}"


each_chart = pytest.mark.parametrize("chart", CHARTS, ids=chart_id)
each_search = pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.id)
each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["id"])


# -- the file


def test_what_is_shipped_is_what_the_code_makes():
    """Make it anew: monitor setup kibana --output dashboards/kibana/dify.ndjson, with the sink's default prefix."""
    assert SHIPPED.read_text(encoding="utf-8") == ndjson(objects(Place(Config(type="elasticsearch").prefix)))


def test_there_is_all_that_was_asked_for():
    kinds = [each["type"] for each in OBJECTS]
    assert {kind: kinds.count(kind) for kind in kinds} == {"index-pattern": 5, "search": 9, "dashboard": 5}
    names = {each["id"].removeprefix("dify.") for each in BOARDS}
    assert names == {"overview", "app", "tools", "cost", "story"}


def test_an_import_needs_nothing_that_the_file_does_not_hold():
    there = {(each["type"], each["id"]) for each in OBJECTS}
    assert len(there) == len({each["id"] for each in OBJECTS}) == len(OBJECTS)
    for each in OBJECTS:
        assert {(ref["type"], ref["id"]) for ref in each["references"]} <= there
        names = [ref["name"] for ref in each["references"]]
        assert len(set(names)) == len(names)


def test_no_two_prefixes_or_spaces_share_an_id():
    places = [Place(), Place("dify-turns"), Place("dify", "steps"), Place("dify", "ops"), Place("ops")]
    ids = [each["id"] for place in places for each in objects(place)]
    assert len(set(ids)) == len(ids)


def test_another_prefix_changes_names_and_nothing_else():
    """Nothing of the default prefix is left in an object for another one."""
    other = ndjson(objects(Place("acme")))
    assert "dify-turns" not in other
    assert set(re.findall(r"dify\.(?:turns|steps|notes|alerts)\b", other)) <= {"dify.turns"}  # `event.dataset`
    assert [each["attributes"]["title"] for each in read(other)[:4]] == [
        "acme-turns",
        "acme-steps",
        "acme-notes",
        "acme-alerts",
    ]


# What the schemas in Kibana's source take: of a dashboard the first version, which refuses every other name, of a
# search that of 8.8; data views have none, so those names that its exports have.
_TAKEN = {
    "dashboard": {
        "title", "description", "kibanaSavedObjectMeta", "timeRestore", "timeFrom", "timeTo", "refreshInterval",
        "controlGroupInput", "panelsJSON", "optionsJSON", "version", "hits",
    },
    "search": {
        "title", "description", "columns", "sort", "grid", "hideChart", "isTextBasedQuery", "timeRestore",
        "kibanaSavedObjectMeta", "rowHeight", "rowsPerPage", "viewMode", "usesAdHocDataView", "version", "hits",
    },
    "index-pattern": {
        "title", "name", "timeFieldName", "allowNoIndex", "fieldFormatMap", "fieldAttrs", "fields", "runtimeFieldMap",
        "sourceFilters", "typeMeta", "type",
    },
}  # fmt: skip
_TEXT = {"panelsJSON", "optionsJSON", "fieldFormatMap", "fieldAttrs", "fields", "runtimeFieldMap", "sourceFilters"}


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each["id"])
def test_objects_have_the_form_that_kibana_takes(each):
    attributes = each["attributes"]
    assert set(each) == {"type", "id", "attributes", "references", "coreMigrationVersion", "typeMigrationVersion"}
    assert set(attributes) <= _TAKEN[each["type"]]
    assert isinstance(attributes["title"], str)
    for name in _TEXT & set(attributes):
        assert json.loads(attributes[name]) is not None
    if "controlGroupInput" in attributes:
        assert {type(value) for value in attributes["controlGroupInput"].values()} == {str}


@each_board
def test_panels_stand_beside_each_other(board):
    """On a grid of 48 columns, each in its own place, without holes between rows."""
    taken = set()
    for panel in panels(board):
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        assert 0 <= grid["x"] < grid["x"] + grid["w"] <= 48
        assert grid["w"] >= 8
        assert grid["h"] >= 5
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        taken |= cells
    assert len(taken) == 48 * (1 + max(y for _, y in taken))
    ids = [panel["panelIndex"] for panel in panels(board)]
    assert len(set(ids)) == len(ids)
    assert all(panel["title"] for panel in panels(board))


@each_board
def test_every_mention_in_a_dashboard_is_used(board):
    """And what a panel, control or opening needs is mentioned under the name by which Kibana looks for it."""
    needed = set()
    for panel in panels(board):
        index = panel["panelIndex"]
        if panel["type"] == "lens":
            needed |= {f"{index}:{ref['name']}" for ref in panel["embeddableConfig"]["attributes"]["references"]}
        if "panelRefName" in panel:
            needed.add(f"{index}:{panel['panelRefName']}")
        for event in panel["embeddableConfig"].get("enhancements", {}).get("dynamicActions", {}).get("events", ()):
            needed.add(f"{index}:drilldown:{event['action']['factoryId']}:{event['eventId']}:dashboardId")
    needed |= {f"controlGroup_{control['id']}:optionsListDataView" for control in controls(board)}
    assert {ref["name"] for ref in board["references"]} == needed


@each_board
def test_links_in_words_lead_to_dashboards(board):
    linked = {link for panel in panels(board) for link in re.findall(r"#/view/([^)]+)\)", markdown(panel))}
    assert linked <= {each["id"] for each in BOARDS}


# -- data views


def test_data_views_look_at_the_aliases_of_the_templates():
    config = Config(type="elasticsearch")
    aliases = {
        alias for each in resources(config) if each.kind == "template" for alias in each.body["template"]["aliases"]
    }
    titles = {each["title"] for each in views(OBJECTS).values()}
    assert titles == aliases | {"dify-turns,dify-steps"}


def test_formats_are_of_numbers_that_the_templates_have():
    mapped = mappings(Config(type="elasticsearch"))["properties"]
    for name in FORMATS:
        node = {"properties": mapped}
        for part in name.split("."):
            node = node["properties"][part]
        assert node["type"] in {"long", "double"}, name
    for each in views(OBJECTS).values():
        assert FIELDS[each["timeFieldName"]]["type"] == "date"
        assert json.loads(each["fieldFormatMap"]) == FORMATS


# -- fields and their types

_FITTING = {
    "count": {RECORDS},
    "sum": NUMBERS,
    "percentile": NUMBERS,
    "unique_count": KEYWORDS,
    "max": NUMBERS | DATES,
    "date_histogram": {"@timestamp"},
}


@each_chart
def test_columns_are_of_fields_that_can_be_counted_so(chart):
    assert set(chart.columns) == set(chart.order)
    for name, column in chart.columns.items():
        operation = column["operationType"]
        if operation == "terms":
            assert column["sourceField"] in (NUMBERS if column["dataType"] == "number" else KEYWORDS)
            assert column["params"]["orderBy"]["columnId"] in chart.measured
        elif operation in {"formula", "math"}:
            assert set(column["references"]) <= set(chart.columns)
        else:
            assert column["sourceField"] in _FITTING[operation], name


@each_chart
def test_what_a_chart_shows_are_its_columns(chart):
    visual = chart.visual
    layers = visual.get("layers", [visual])
    shown = [each["columnId"] for each in visual.get("columns", [])]
    for layer in layers:
        names = ("xAccessor", "splitAccessor", "metricAccessor", "breakdownByAccessor")
        shown += [*layer.get("accessors", ()), *(layer[name] for name in names if name in layer)]
    assert sorted(shown) == sorted(chart.shown)


@each_chart
def test_conditions_are_of_fields_that_can_be_asked(chart):
    for condition in chart.conditions():
        fitting(condition)


@each_search
def test_searches_ask_show_and_sort_by_fields_that_there_are(search):
    fitting(search.kql)
    assert set(search.columns) <= {*FIELDS, *CONTENT}
    assert len(set(search.columns)) == len(search.columns)
    assert {field for field, _ in search.sort} <= KEYWORDS | NUMBERS | DATES


def fitting(condition: str) -> None:
    for test in kql.comparisons(condition):
        assert test.field in FIELDS, condition
        if test.relation != ":":
            assert test.field in NUMBERS | DATES
        elif test.values != ("*",):
            assert (test.field in BOOLEANS) == (set(test.values) <= {"true", "false"}), condition
            assert test.field in BOOLEANS | KEYWORDS


@pytest.mark.parametrize(("board", "control"), CONTROLS, ids=lambda each: each if isinstance(each, str) else each["id"])
def test_controls_are_lists_of_names(board, control):
    assert control["fieldName"] in KEYWORDS
    assert control["dataViewId"] in views(OBJECTS)


def test_formulas_are_the_columns_that_they_are_made_of():
    for chart in CHARTS:
        for column in chart.columns.values():
            if column["operationType"] == "formula":
                said = formula(column["params"]["formula"])
                (math,) = column["references"]
                ast = chart.columns[math]["params"]["tinymathAst"]
                assert (ast["name"], ast["args"]) == ("divide", chart.columns[math]["references"])
                made = tuple(described(chart.columns[each]) for each in ast["args"])
                assert (said.above, said.below) == made


def described(column):
    field = column["sourceField"].replace(RECORDS, "")
    return column["operationType"], field, column.get("filter", {}).get("query", "")


def test_formulas_read_as_kibana_writes_them():
    assert Ratio("x", Part('event.outcome : "failure"'), Part()).text == (
        "count(kql='event.outcome : \"failure\"') / count()"
    )
    assert formula("sum(a.b, kql='c : 1') / count()") == formula("sum( a.b , kql='c : 1' )/count()")


# -- counted right

_MONEY = {"dify.usage.cost", "dify.turn.usage.cost"}
_USED = {name for name in FIELDS if name.startswith("gen_ai.usage.")} | {"dify.usage.cost"}


@each_chart
def test_money_is_never_summed_over_currencies(chart):
    summed = {column.get("sourceField") for column in chart.columns.values() if not column["isBucketed"]}
    if summed & _MONEY:
        assert "dify.usage.currency" in {chart.columns[name]["sourceField"] for name in chart.buckets}
        assert chart.visual.get("preferredSeriesType") in {None, "line"}  # not stacked onto each other


@each_chart
def test_tokens_and_money_are_counted_over_turns_and_steps(chart):
    if {column.get("sourceField") for column in chart.columns.values()} & _USED:
        assert views(OBJECTS)[chart.view]["title"] == "dify-turns,dify-steps"


@each_chart
def test_percentiles_leave_out_times_that_were_worked_out(chart):
    for column in chart.columns.values():
        if column["operationType"] == "percentile" and column["sourceField"] == "event.duration":
            conditions = (chart.kql, column.get("filter", {}).get("query", ""))
            assert any("not dify.time.estimated : true" in each for each in conditions)


@each_chart
def test_provisional_steps_are_not_counted(chart):
    if views(OBJECTS)[chart.view]["title"] == "dify-steps":
        assert "not dify.step.provisional : true" in chart.kql


# -- the checks themselves


@pytest.mark.parametrize(
    "condition",
    ["dify.no_such_field : 1", 'error.message : "x"', "event.outcome > 3", 'dify.step.soft : "yes"', "user.id : true"],
)
def test_conditions_that_no_document_can_answer_are_found(condition):
    with pytest.raises(AssertionError):
        fitting(condition)
