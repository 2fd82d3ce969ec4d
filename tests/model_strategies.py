"""Hypothesis strategies for sets of models and for pairs of them, one of which becomes the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy
from hypothesis import strategies as st

from model_kinds import KEYS, KINDS, Kind, family, filled, fitting, kind_of, quoted
from model_sets import (
    SCHEMAS,
    Check,
    Col,
    Enumeration,
    Exclude,
    Foreign,
    Ind,
    Models,
    Tab,
    Unique,
    consistent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn


_VIRTUAL = not sqlalchemy.__version__.startswith("2.0.")
"""SQLAlchemy 2.0 writes no virtual column for PostgreSQL."""
_TABLES = ("users", "orders", "order", "Mixed Case")
_COLUMNS = ("a", "b", "c", "select", "Mixed", "with space", "percent%", "d")
_COMMENTS = ("what it is", "it's 100%", "two\nlines", "colon: :name", "\\", "")
_IDENTITIES = (
    "always=True",
    "always=False",
    "start=10, increment=5",
    "always=True, start=1, minvalue=1, maxvalue=1000, cycle=True, cache=4",
)
_ENUMS = (
    Enumeration("mood", ("sad", "ok", "happy")),
    Enumeration("mood", ("sad", "so so: 100%")),
    Enumeration("Color", ("red", "green"), "other"),
    Enumeration("Color", ("red", "dark red", "green", "blue"), "other"),
)


@st.composite
def _typed(draw: DrawFn, name: str, enums: Sequence[Enumeration]) -> Col:
    """A column with nothing but a type."""
    if enums and draw(st.integers(0, 5)) == 0:
        enum = draw(st.sampled_from(list(enums)))
        return Col(name, f"enum{draw(st.sampled_from(['', '', '[]']))}:{enum.name}")
    kind = draw(st.sampled_from([*KINDS.values()]))
    return Col(name, draw(st.sampled_from(kind.types)))


@st.composite
def columns(draw: DrawFn, name: str, enums: Sequence[Enumeration], sources: Sequence[Col] = ()) -> Col:
    """A column of any type; computed from one of ``sources`` now and then."""
    comment = draw(st.none() | st.sampled_from(_COMMENTS)) if draw(st.integers(0, 3)) == 0 else None
    computable = [
        (source, text) for source in sources for text in kind_of(source).computed if source.computed is None
    ]
    if computable and draw(st.integers(0, 7)) == 0:
        source, text = draw(st.sampled_from(computable))
        result = {"integer": "sa.BigInteger()", "boolean": "sa.Boolean()"}.get(family(source), "sa.Text()")
        return Col(
            name,
            result,
            computed=filled(text, source),
            stored=draw(st.booleans()) or not _VIRTUAL,
            comment=comment,
        )
    column = replace(draw(_typed(name, enums)), comment=comment, null=draw(st.booleans()))
    if family(column) == "integer" and draw(st.integers(0, 5)) == 0:
        return replace(column, null=False, identity=draw(st.sampled_from(_IDENTITIES)))
    defaults = kind_of(column).defaults
    if column.type.startswith("enum:"):
        values = next(enum.values for enum in enums if enum.name == column.type.partition(":")[2])
        defaults = tuple(repr(value) for value in values)
    with_default: bool = draw(st.booleans())
    if defaults and with_default:
        return replace(column, default=draw(st.sampled_from(fitting(column, defaults))))
    return column


@st.composite
def tables(draw: DrawFn, schema: str | None, name: str, enums: Sequence[Enumeration]) -> Tab:
    """A table by itself: no foreign keys yet."""
    names = draw(st.lists(st.sampled_from(_COLUMNS), unique=True, max_size=5))
    key = Col("id", draw(st.sampled_from(KEYS)), null=False)
    made: list[Col] = [key]
    for column_name in names:
        made.append(draw(columns(column_name, enums, made)))
    second = [c for c in made[1:] if c.type in KEYS and c.computed is None and c.identity is None]
    with_key = draw(st.integers(0, 9)) > 0
    keyed = (
        *(["id"] if with_key else []),
        *([second[0].name] if with_key and second and draw(st.integers(0, 4)) == 0 else []),
    )
    table = Tab(
        name,
        tuple(made),
        schema,
        key=keyed,
        key_name=f"pk {name}" if keyed else None,
        comment=draw(st.none() | st.sampled_from(_COMMENTS)) if draw(st.integers(0, 3)) == 0 else None,
    )
    return consistent_alone(draw(_adorned(table)))


def consistent_alone(table: Tab) -> Tab:
    """The table with key columns NOT NULL."""
    return replace(
        table, columns=tuple(replace(c, null=False) if c.name in table.key else c for c in table.columns)
    )


@st.composite
def _adorned(draw: DrawFn, table: Tab) -> Tab:
    """The table with constraints and indexes."""
    for _ in range(draw(st.integers(0, 3))):
        table = draw(_one_more(table))
    return table


@st.composite
def _one_more(draw: DrawFn, table: Tab) -> Tab:
    column = draw(st.sampled_from(table.columns))
    kind = kind_of(column)
    what = draw(st.sampled_from(["unique", "check", "exclude", "index", "index", "plain index"]))
    stem = f"{table.name} {column.name} {draw(st.integers(0, 3))}"
    others = tuple(c.name for c in table.columns if kind_of(c).sortable and _indexable(c))
    if what == "check" and kind.checks:
        text = filled(draw(st.sampled_from(kind.checks)), column)
        if not ("vector_dims" in text and "HALFVEC" in column.type):
            table = _put(table, "checks", Check(f"ck {stem}", text, (column.name,)))
    elif what == "exclude" and kind.excludes and _indexable(column):
        operator, options = draw(st.sampled_from(kind.excludes))
        made = Exclude(f"ex {stem}", column.name, operator, filled(options, column))
        table = _put(table, "excludes", made)
    elif what == "index" and kind.indexes and _indexable(column):
        table = _put(table, "indexes", draw(_index_ofkind_of(column, kind, stem)))
    elif what == "unique" and column.name in others:
        table = _put(table, "uniques", draw(_unique(column, others, stem)))
    elif what == "plain index" and column.name in others:
        table = _put(table, "indexes", draw(_plain_index(column, others, stem)))
    return table


def _indexable(column: Col) -> bool:
    """PostgreSQL 18 has no index on a virtual column."""
    return column.computed is None or column.stored


@st.composite
def _unique(draw: DrawFn, column: Col, others: Sequence[str], stem: str) -> Unique:
    more = draw(st.lists(st.sampled_from(others), max_size=1))
    options = ["", "", "postgresql_nulls_not_distinct=True", "deferrable=True, initially='DEFERRED'"]
    names = tuple(dict.fromkeys([column.name, *more]))
    return Unique(f"uq {stem}", names, draw(st.sampled_from(options)))


@st.composite
def _index_ofkind_of(draw: DrawFn, column: Col, kind: Kind, stem: str) -> Ind:
    elements, options = draw(st.sampled_from(kind.indexes))
    if column.type == "pv.VECTOR()":  # without dimensions there is no index on it
        return Ind(f"ix {stem}", "c['id']", ("id",))
    if column.type == "sa.CHAR(4)" and ("spgist" in options or "text_pattern_ops" in options):
        options = ""
    return Ind(f"ix {stem}", filled(elements, column), (column.name,), filled(options, column))


@st.composite
def _plain_index(draw: DrawFn, column: Col, others: Sequence[str], stem: str) -> Ind:
    more = draw(st.lists(st.sampled_from(others), max_size=2))
    names = tuple(dict.fromkeys([column.name, *more]))
    included = draw(st.sampled_from([*others])) if draw(st.booleans()) else None
    options = draw(st.sampled_from(["", "unique=True", "unique=True, postgresql_nulls_not_distinct=True"]))
    needs = names
    if included is not None and included not in names:
        options += f"{', ' if options else ''}postgresql_include=[{included!r}]"
        needs = (*names, included)
    return Ind(f"ix {stem}", ", ".join(f"c[{name!r}]" for name in names), needs, options)


def _put(table: Tab, where: str, item: Unique | Check | Exclude | Ind) -> Tab:
    """The item in the table, in place of one of its name."""
    rest = tuple(other for other in getattr(table, where) if other.name != item.name)
    changed_field: dict[str, Any] = {where: (*rest, item)}
    return replace(table, **changed_field)


_ACTIONS = (
    "",
    "",
    "ondelete='CASCADE'",
    "ondelete='SET NULL', onupdate='CASCADE'",
    "deferrable=True, initially='DEFERRED'",
    "deferrable=True",
)


@st.composite
def _related(draw: DrawFn, models: Models) -> Models:
    """The models with foreign keys among them, to themselves and in circles too."""
    targets = [table for table in models.tables if len(table.key) == 1]
    if not targets:
        return models
    made = []
    for table in models.tables:
        changed = table
        for number in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
            target = draw(st.sampled_from(targets))
            wanted = target.column(target.key[0])
            name = f"ref{number}"
            if wanted is None or table.column(name):
                continue
            column = Col(name, wanted.type, null=draw(st.booleans()))
            key = Foreign(
                f"fk {table.name} {name}",
                (name,),
                (target.schema, target.name),
                draw(st.sampled_from(_ACTIONS)),
            )
            changed = replace(changed, columns=(*changed.columns, column), foreigns=(*changed.foreigns, key))
        made.append(changed)
    return replace(models, tables=tuple(made))


@st.composite
def model_sets(draw: DrawFn, most_tables: int = 3) -> Models:
    """Any set of models."""
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(SCHEMAS), st.sampled_from(_TABLES)), unique=True, max_size=most_tables
        )
    )
    enums = tuple({enum.name: enum for enum in draw(st.lists(st.sampled_from(_ENUMS), max_size=2))}.values())
    made = tuple(draw(tables(schema, name, enums)) for schema, name in places)
    naming = draw(st.sampled_from(["given", "given", "convention", "nobody"]))
    return consistent(draw(_related(Models(made, enums, naming))))


@st.composite
def _changed_column(draw: DrawFn, table: Tab, column: Col, enums: Sequence[Enumeration]) -> Col | None:
    """The column changed in one respect; ``None`` when it is gone."""
    what = draw(st.sampled_from(["drop", "rename", "type", "null", "default", "comment", "again", "again"]))
    if what == "drop":
        return None
    if what == "again":
        return draw(columns(column.name, enums, [c for c in table.columns if c.name == "id"]))
    plain = column.computed is None and column.identity is None
    kind = kind_of(column)
    free = [name for name in _COLUMNS if not table.column(name)]
    if what == "rename" and free:
        column = replace(column, name=draw(st.sampled_from(free)))
    elif what == "null" and column.identity is None:
        column = replace(column, null=not column.null)
    elif what == "comment":
        column = replace(column, comment=draw(st.none() | st.sampled_from(_COMMENTS)))
    elif what == "type" and kind.types and plain:
        column = replace(column, type=draw(st.sampled_from(kind.types)))
        if column.default not in fitting(column, kind.defaults):
            column = replace(column, default=None)
    elif what == "default" and kind.defaults and plain:
        column = replace(column, default=draw(st.none() | st.sampled_from(fitting(column, kind.defaults))))
    return column


@st.composite
def _changed_table(draw: DrawFn, table: Tab, enums: Sequence[Enumeration]) -> Tab:
    names = [
        column.name for column in table.columns if column.name != "id" and not column.name.startswith("ref")
    ]
    for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []:
        column = table.column(name)
        if column is None or any(quoted(name) in (other.computed or "") for other in table.columns):
            continue
        new = draw(_changed_column(table, column, enums))
        table = _exchanged(table, column, new)
    for name in draw(st.lists(st.sampled_from(_COLUMNS), unique=True, max_size=1)):
        if not table.column(name):
            table = replace(table, columns=(*table.columns, draw(columns(name, enums, table.columns))))
    if draw(st.booleans()):
        which = draw(st.sampled_from(["uniques", "checks", "excludes", "indexes", "foreigns"]))
        table = replace(table, **{which: getattr(table, which)[1:]})
    if draw(st.integers(0, 5)) == 0:
        table = replace(table, key=() if table.key else ("id",), key_name=f"pk {table.name}")
    if draw(st.integers(0, 5)) == 0:
        table = replace(table, comment=draw(st.none() | st.sampled_from(_COMMENTS)))
    return draw(_adorned(consistent_alone(table)))


def _exchanged(table: Tab, old: Col, new: Col | None) -> Tab:
    """The table with a column changed, and without what was made for the old one, where it no longer fits."""
    made = tuple(new if column is old else column for column in table.columns if column is not old or new)
    table = replace(table, columns=tuple(column for column in made if column is not None))
    if new is not None and new.name == old.name and new.type == old.type and new.computed == old.computed:
        return table
    gone = old.name
    return replace(
        table,
        uniques=tuple(item for item in table.uniques if gone not in item.columns),
        checks=tuple(item for item in table.checks if gone not in item.columns),
        excludes=tuple(item for item in table.excludes if gone != item.column),
        foreigns=tuple(item for item in table.foreigns if gone not in item.columns),
        indexes=tuple(item for item in table.indexes if gone not in item.columns),
        key=tuple(name for name in table.key if name != gone),
    )


@st.composite
def changed(draw: DrawFn, models: Models) -> Models:
    """The models after some weeks of work."""
    enums = tuple(draw(_changed_enum(enum)) for enum in models.enums)
    kept = [table for table in models.tables if draw(st.integers(0, 6)) > 0]
    made = tuple(draw(_changed_table(table, enums)) if draw(st.booleans()) else table for table in kept)
    free = [(s, n) for s in SCHEMAS for n in _TABLES if all((t.schema, t.name) != (s, n) for t in made)]
    if free and draw(st.integers(0, 3)) == 0:
        made = (*made, draw(_anywhere(free, enums)))
    return consistent(Models(made, enums, models.naming))


@st.composite
def _anywhere(draw: DrawFn, free: list[tuple[str | None, str]], enums: Sequence[Enumeration]) -> Tab:
    schema, name = draw(st.sampled_from(free))
    return draw(tables(schema, name, enums))


@st.composite
def _changed_enum(draw: DrawFn, enum: Enumeration) -> Enumeration:
    return draw(st.sampled_from([enum, enum, *(other for other in _ENUMS if other.name == enum.name)]))


@st.composite
def pairs(draw: DrawFn) -> tuple[Models, Models]:
    """Two sets of models: mostly one and what became of it, else two that know nothing of each other."""
    before = draw(model_sets())
    after = draw(changed(before) if draw(st.integers(0, 4)) else model_sets())
    # What a primary key is called is nobody's business, so that it would not change with the convention.
    return before, replace(after, naming=before.naming)
