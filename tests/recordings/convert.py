"""Makes this folder's files out of a raw recording: run `python -m tests.recordings.convert SOURCE` from the root.

SOURCE holds `1.9/` and `0.15/`, each with `db/schema.sql`, `db/data.sql`, `scenarios.json` and, in
`db-changes/<app>/<scenario>.txt`, what PostgreSQL's `test_decoding` printed while the scenario ran; and
`1.12-sample/schema.sql`. The raw change texts were cut near 6,000 characters. What a cut took away is worked out here
(see `Filler`), and proven where possible: the cut left the length that the whole line had.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.support.dump import copy_blocks, copy_text, schema_script
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, OTHER_TABLES, VERSIONS

HERE = Path(__file__).parent
PLAYED = {*EVENT_TABLES, "end_users", "conversations"}
# What Dify changes in a row after it wrote it first; all other columns are what they were.
MUTABLE = {
    "workflow_runs": {
        *("status", "outputs", "error", "elapsed_time", "total_tokens", "total_steps"),
        *("finished_at", "exceptions_count"),
    },
    "messages": {
        *("message", "message_tokens", "message_unit_price", "message_price_unit"),
        *("answer", "answer_tokens", "answer_unit_price", "answer_price_unit", "total_price"),
        *("provider_response_latency", "status", "error", "message_metadata", "updated_at", "workflow_run_id"),
    },
}
TOAST = "unchanged-toast-datum"
BARE = {"integer", "bigint", "numeric", "double precision", "boolean"}
START = re.compile(r'^(?:== COMMIT \d+ \(at ([^)]*)\)|table public\."?(\w+)"?: (INSERT|UPDATE|DELETE): )', re.MULTILINE)
COLUMN = re.compile(r'("?(\w+)"?\[([^\]]+)\]):')
CUT = re.compile(r"…\((\d+) chars\)\n?\Z")
SEARCH_LIMIT = 200_000
SMALLEST_TOAST = 100

Row = dict[str, "str | None"]


@dataclass(slots=True)
class Raw:
    """One change as it was printed."""

    at: str
    scenario: str
    table: str
    op: str
    head: str
    row: Row = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    """Each column as it is printed, such as `"position"[integer]`."""
    unchanged: list[str] = field(default_factory=list)
    partial: tuple[str, str] | None = None
    """The column that the cut went through, and what is left of its value."""
    length: int | None = None
    """How long the line was before it was cut; None for a line that is whole."""
    filled: list[str] = field(default_factory=list)
    proven: bool = True


def parse(text: str, scenario: str) -> Iterator[Raw]:
    """The changes of one scenario, in commit order."""
    marks = list(START.finditer(text))
    at = ""
    for mark, after in itertools.zip_longest(marks, marks[1:]):
        if mark[1]:
            at = mark[1]
            continue
        raw = Raw(at, scenario, mark[2], mark[3].lower(), mark[0])
        read_columns(raw, text[mark.end() : after.start() if after else len(text)])
        yield raw


def read_columns(raw: Raw, body: str) -> None:
    """Take the columns of a change apart, up to its end or its cut."""
    if cut := CUT.search(body):
        raw.length, body = int(cut[1]), body[: cut.start()]
    else:
        body = body.removesuffix("\n")
    place = 0
    while place < len(body):
        name = COLUMN.match(body, place)
        if name is None:
            if raw.length is None:
                raise ValueError(f"{raw.scenario}: not a column: {body[place : place + 60]!r}")
            return
        raw.types[name[2]], raw.labels[name[2]] = name[3], name[1]
        place = read_value(raw, name[2], body, name.end()) + 1


def read_value(raw: Raw, name: str, body: str, place: int) -> int:
    """Read the value that begins at `place`; returns where it ends."""
    if body.startswith("'", place):
        found = re.compile(r"'((?:[^']|'')*)('?)").match(body, place)
        assert found is not None
        value: str | None = found[1].replace("''", "'")
        whole, end = bool(found[2]), found.end()
    else:
        end = body.find(" ", place)
        end = len(body) if end < 0 else end
        text = body[place:end]
        value, whole = None if text == "null" else text, True
        if raw.types[name] == "boolean" and text in ("true", "false"):
            value = text[0]
    if raw.length is not None and end >= len(body):
        raw.partial = (name, value or "")
    elif value == TOAST:
        raw.unchanged.append(name)
    else:
        assert whole
        raw.row[name] = value
    return end


def printed(value: str | None, kind: str) -> str:
    """How test_decoding prints a value."""
    if value is None:
        return "null"
    if kind == "boolean":
        return {"t": "true", "f": "false"}[value]
    return value if kind in BARE else "'" + value.replace("'", "''") + "'"


class Filler:
    """Gives cut changes back what the cut took.

    In this order of trust: a column that PostgreSQL called unchanged is what the row had before; a column that Dify
    never changes is what another change of the row, or its last state in the dump, has; a last change left the row as
    the dump has it; a first INSERT of a run or message has what every whole INSERT of that table has (running, no
    tokens, no end). 1.9 writes a node's JSON twice, first with sorted keys, so that form is tried too. Among what is
    possible, that is taken which makes the line exactly as long as it was; a fill that could not be so proven is
    counted and printed.
    """

    def __init__(self, models: Mapping[str, Raw], fresh: Mapping[str, Row]) -> None:
        self.models, self.fresh = models, fresh

    def fill(self, history: Sequence[Raw], final: Row | None) -> None:
        """Complete all changes of one row."""
        before: Row = {}
        for place, raw in enumerate(history):
            for name in raw.unchanged:
                if name in before:
                    raw.row[name] = before[name]
            if raw.op != "delete":
                self._complete(raw, before, history[place + 1 :], final)
            before = raw.row

    def _complete(self, raw: Raw, before: Row, later: Sequence[Raw], final: Row | None) -> None:
        types = self.models[raw.table].types
        missing = [name for name in types if name not in raw.row]
        if not missing:
            return
        options = [self._options(raw, name, before, later, final) for name in missing]
        chosen = self._choose(raw, self.models[raw.table], options)
        raw.row.update(zip(missing, (value for value, _ in chosen), strict=True))
        raw.row = {name: raw.row[name] for name in types if name in raw.row}
        raw.filled = missing

    def _options(
        self, raw: Raw, name: str, before: Row, later: Sequence[Raw], final: Row | None
    ) -> list[tuple[str | None, str]]:
        """Possible values of one column, best first, each with how it was printed."""
        kind = self.models[raw.table].types[name]
        known = [row[name] for row in self._sources(raw, name, before, later, final) if name in row]
        if not known:
            raise ValueError(f"{raw.scenario} {raw.table}.{name}: nothing known")
        values = [*known, *filter(None, map(sorted_json, known))]
        texts = [(value, printed(value, kind)) for value in values]
        if raw.op == "update" and len(before.get(name) or "") > SMALLEST_TOAST:
            texts.append((before[name], TOAST))
        if raw.partial and raw.partial[0] == name:
            texts = [pair for pair in texts if (pair[0] or "").startswith(raw.partial[1])] or texts
        return list(dict.fromkeys(texts))

    def _sources(self, raw: Raw, name: str, before: Row, later: Sequence[Raw], final: Row | None) -> Iterator[Row]:
        changing = name in MUTABLE.get(raw.table, self.models[raw.table].types)
        if changing and raw.op == "insert":
            yield self.fresh[raw.table]
            return
        if changing and not later and final:
            yield final
        yield from (other.row for other in later if name in other.row and not (changing and other.filled))
        yield from (row for row in (final, before) if row)

    @staticmethod
    def _choose(
        raw: Raw, model: Raw, options: Sequence[Sequence[tuple[str | None, str]]]
    ) -> tuple[tuple[str | None, str], ...]:
        first = tuple(each[0] for each in options)
        if raw.length is None:
            return first
        shown = [TOAST if n in raw.unchanged else printed(v, model.types[n]) for n, v in raw.row.items()]
        fixed = len(raw.head) + sum(len(f"{label}:") for label in model.labels.values()) + len(model.labels) - 1
        wanted = raw.length - fixed - sum(map(len, shown))
        for pick in itertools.islice(itertools.product(*options), SEARCH_LIMIT):
            if sum(len(text) for _, text in pick) == wanted:
                return pick
        raw.proven = False
        return first


def sorted_json(value: str | None) -> str | None:
    """The same JSON with sorted keys, where it is an object."""
    if not value or not value.startswith("{"):
        return None
    try:
        return json.dumps(json.loads(value), sort_keys=True)
    except ValueError:
        return None


def fresh_rows(raws: Iterable[Raw]) -> dict[str, Row]:
    """Per table, what a whole INSERT usually has in each column."""
    counts: dict[str, dict[str, Counter[str | None]]] = defaultdict(lambda: defaultdict(Counter))
    for raw in raws:
        if raw.op == "insert" and raw.length is None:
            for name, value in raw.row.items():
                counts[raw.table][name][value] += 1
    return {table: {name: count.most_common(1)[0][0] for name, count in each.items()} for table, each in counts.items()}


def whole_lines(raws: Iterable[Raw]) -> dict[str, Raw]:
    """Per table, a line that was not cut: it has all columns in order."""
    return {raw.table: raw for raw in raws if raw.op != "delete" and raw.length is None}


def read_raws(source: Path) -> list[Raw]:
    """All changes of a version that we play, in the order of their commits."""
    raws: list[Raw] = []
    for path in sorted((source / "db-changes").glob("*/*.txt")):
        scenario = f"{path.parent.name}/{path.stem}"
        raws += [raw for raw in parse(path.read_text(), scenario) if raw.table in PLAYED]
    return sorted(raws, key=lambda raw: raw.at)  # stable: within a commit, and within a time, as it was printed


def filled_raws(source: Path, final: Mapping[str, Mapping[str, Row]]) -> list[Raw]:
    """The same, completed."""
    raws = read_raws(source)
    histories: dict[tuple[str, str], list[Raw]] = defaultdict(list)
    for raw in raws:
        histories[raw.table, raw.row["id"] or ""].append(raw)
    filler = Filler(whole_lines(raws), fresh_rows(raws))
    for (table, row_id), history in histories.items():
        filler.fill(history, final[table].get(row_id))
    return raws


def microseconds(at: str) -> int:
    """A commit's time, printed as `2026-11-24 05:57:24.32947+00`, in microseconds since 1970 UTC."""
    moment = datetime.fromisoformat(at)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def change_lines(raws: Iterable[Raw]) -> Iterator[str]:
    """One line of JSON for each commit."""
    for (at, scenario), group in itertools.groupby(raws, key=lambda raw: (raw.at, raw.scenario)):
        changes = [
            {"table": raw.table, "op": raw.op, "row": raw.row} | ({"filled": raw.filled} if raw.filled else {})
            for raw in group
        ]
        commit = {"at_us": microseconds(at), "scenario": scenario, "changes": changes}
        yield json.dumps(commit, ensure_ascii=False, separators=(",", ":")) + "\n"


def write_gz(path: Path, text: str) -> None:
    """The same text gives the same bytes."""
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def convert(version: str, source: Path) -> None:
    """Write the folder of one version."""
    target = HERE / version
    target.mkdir(exist_ok=True)
    blocks = {block.table: block for block in copy_blocks((source / "db" / "data.sql").read_text())}
    kept = [blocks[table] for table in (*LOOKUP_TABLES, *EVENT_TABLES, *OTHER_TABLES) if table in blocks]
    final = {block.table: {row.get("id") or "": row for row in block.dicts()} for block in kept}
    raws = filled_raws(source, final)
    (target / "schema.sql").write_text(schema_script((source / "db" / "schema.sql").read_text()))
    write_gz(target / "data.sql.gz", "\n".join(map(copy_text, kept)))
    write_gz(target / "changes.jsonl.gz", "".join(change_lines(raws)))
    scenarios = json.loads((source / "scenarios.json").read_text())
    (target / "scenarios.json").write_text(json.dumps(scenarios, ensure_ascii=False, indent=1) + "\n")
    report(version, raws)


def report(version: str, raws: Sequence[Raw]) -> None:
    """Say what had to be worked out, and what of it could not be proven."""
    cut = [raw for raw in raws if raw.filled]
    print(f"{version}: {len(raws)} changes, {len(cut)} were cut, {sum(r.proven for r in cut)} proven by length")
    for raw in cut:
        if not raw.proven:
            print(f"  not proven: {raw.scenario} {raw.table} {raw.op} {raw.row['id']} {', '.join(raw.filled)}")


def main(source: Path) -> None:
    """Convert everything."""
    for version in VERSIONS:
        convert(version, source / version)
    later = HERE / "1.12"
    later.mkdir(exist_ok=True)
    (later / "schema.sql").write_text(schema_script((source / "1.12-sample" / "schema.sql").read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
