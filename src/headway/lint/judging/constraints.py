"""Constraints: what is read or built under their locks, and what goes with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headway.lint import recipes
from headway.lint.alarms import BUILT, HELD, READ, Alarm
from headway.lint.deeds import AddConstraint, AlterDomain, DropColumn, DropConstraint, Kind
from headway.lint.effects import effects
from headway.lint.names import Name, quoted, read_name
from headway.lint.schema import default_name
from headway.results import LockMode, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.lint.acts import Act
    from headway.lint.deeds import Constraint
    from headway.lint.pen import Pen


def add_constraint(act: Act, deed: AddConstraint, pen: Pen) -> Iterator[Alarm]:
    """A constraint of a table that was there."""
    made, table = deed.constraint, deed.table
    if not act.existed(table):
        return
    if made.kind is Kind.NOT_NULL and not _is_not_null(act, table, made):
        yield from needs_value(act, table, made.columns[0], pen)
    if not act.scans(deed):
        return
    match made.kind:
        case Kind.CHECK:
            yield checks_rows(act, table, made, pen)
        case Kind.FOREIGN:
            yield looks_up(act, table, made, pen)
        case Kind.NOT_NULL:
            yield _not_null(act, table, made, pen)
        case Kind.EXCLUDE:
            yield Alarm(
                rule="exclusion-constraint",
                act=act,
                on=table,
                during=BUILT,
                explains=(table,),
                hazard=f"the index of {_called(table, made)} is built while {table} is locked, and it fails "
                "if two rows exclude each other",
                recipe=pen.remark("PostgreSQL builds it no other way: plan an hour in which nobody needs it"),
            )
        case _ if made.index is not None:
            yield _nullable(act, table, made, pen)
        case _:
            yield builds_key(act, table, made, pen)


def _is_not_null(act: Act, table: Name, made: Constraint) -> bool:
    known = act.schema.column(table, *made.columns[:1])
    return known is not None and known.not_null


def needs_value(act: Act, table: Name, column: str, pen: Pen) -> Iterator[Alarm]:
    """A column that refuses rows without it from now on, unless a default gives it a value."""
    known = act.schema.column(table, column)
    if known is None or known.default is None:
        yield Alarm(
            rule="required-column",
            act=act,
            severity=Severity.WARNING,
            hazard=f"code that is still running may insert rows without {table}.{quoted(column)}, which "
            "then fails",
            recipe=pen.remark(f"release code that always writes {quoted(column)} first"),
        )


def _called(table: Name, made: Constraint) -> str:
    return quoted(made.name or default_name(table, made))


def checks_rows(act: Act, table: Name, made: Constraint, pen: Pen, *, first: str = "") -> Alarm:
    """A CHECK without NOT VALID; ``first`` is what the recipe begins with."""
    recipe = recipes.add_check(pen, table, made)
    return Alarm(
        rule="check-constraint-scan",
        act=act,
        on=table,
        during=READ,
        explains=(table,),
        hazard=f"{_called(table, made)} is checked for every row of {table}, and fails if one does not fit",
        recipe=f"{first}\n{recipe}" if first else recipe,
    )


def looks_up(act: Act, table: Name, made: Constraint, pen: Pen, *, first: str = "") -> Alarm:
    """A foreign key without NOT VALID; ``first`` is what the recipe begins with."""
    theirs = made.refers or Name("")
    known = act.schema.table(theirs)
    if not made.refers_columns and known is not None:
        keys = (each.columns for each in known.constraints.values() if each.kind is Kind.PRIMARY)
        made = replace(made, refers_columns=next(keys, ()))
    recipe = recipes.add_foreign_key(pen, table, made)
    return Alarm(
        rule="foreign-key-scan",
        act=act,
        on=table,
        during=f"and so does every write to {theirs}, {READ}",
        explains=(table, theirs),
        hazard=f"{_called(table, made)} looks up every row of {table} in {theirs}, and fails if one is "
        "missing",
        recipe=f"{first}\n{recipe}" if first else recipe,
    )


def builds_key(act: Act, table: Name, made: Constraint, pen: Pen, *, first: str = "") -> Alarm:
    """A UNIQUE or PRIMARY KEY without USING INDEX; ``first`` is what the recipe begins with."""
    primary = made.kind is Kind.PRIMARY
    recipe = recipes.key_using_index(pen, table, made)
    return Alarm(
        rule="primary-key-builds-index" if primary else "unique-constraint-builds-index",
        act=act,
        on=table,
        during=BUILT,
        explains=(table,),
        hazard=f"the index of {_called(table, made)} is built while {table} is locked, and it fails if two "
        "rows are the same",
        recipe=f"{first}\n{recipe}" if first else recipe,
    )


def _nullable(act: Act, table: Name, made: Constraint, pen: Pen) -> Alarm:
    known = act.schema.table(table)
    index = known.indexes.get(made.index or "") if known else None
    columns = index.columns if index else ("…",)
    return Alarm(
        rule="primary-key-nullable-index",
        act=act,
        on=table,
        during=READ,
        explains=(table,),
        hazard=f"{_called(table, made)} makes {', '.join(map(quoted, columns))} NOT NULL, so every row of "
        f"{table} is read, and it fails if one holds a NULL",
        recipe=pen.second(
            "\n\n".join(recipes.set_not_null(pen, table, column) for column in columns),
            pen.run(f"ALTER TABLE {table.sql} ADD CONSTRAINT {_called(table, made)} {made.text}"),
        ),
    )


def _not_null(act: Act, table: Name, made: Constraint, pen: Pen) -> Alarm:
    column = made.columns[0] if made.columns else ""
    return Alarm(
        rule="not-null-scan",
        act=act,
        on=table,
        during=READ,
        explains=(table,),
        hazard=f"NOT NULL for {table}.{quoted(column)} reads every row of {table}, and fails if one holds a "
        "NULL",
        recipe=recipes.set_not_null(pen, table, column),
    )


def drop_constraint(act: Act, deed: DropConstraint | DropColumn, pen: Pen) -> Iterator[Alarm]:
    """A foreign key that goes, by itself or with its column."""
    if not act.existed(deed.table):
        return
    what = deed.constraint if isinstance(deed, DropConstraint) else deed.column
    alter = f"ALTER TABLE {deed.table.sql} DROP"
    kind = "CONSTRAINT" if isinstance(deed, DropConstraint) else "COLUMN"
    yield from locked_beside(act, deed, deed.table, f"{alter} {kind} {quoted(what)}", pen)


def locked_beside(act: Act, deed: object, table: Name, statement: str, pen: Pen) -> Iterator[Alarm]:
    """The tables that a statement locks against everybody and does not name."""
    named = [
        effect.relation for each in act.deeds if each is not deed for effect in effects(each, act.schema)
    ]
    for lock in act.review.locks:
        other = read_name(lock.relation)
        beside = lock.kind == "table" and lock.mode is LockMode.ACCESS_EXCLUSIVE and not act.is_fresh(other)
        if beside and not other.means(table) and not any(other.means(each) for each in named):
            yield Alarm(
                rule="drop-locks-referenced-table",
                act=act,
                on=other,
                during=HELD,
                hazard=f"the foreign key between {table} and {other} goes, and that locks {other} as well, "
                "which the statement does not name",
                recipe=recipes.alone(pen, statement),
            )


def alter_domain(act: Act, deed: AlterDomain, pen: Pen) -> Iterator[Alarm]:
    """A constraint of a domain that is checked in the tables that use it."""
    scanned = act.scans(deed) or tuple(
        read_name(each) for each in act.review.scanned if deed.checks and act.existed(read_name(each))
    )
    if deed.what == "VALIDATE CONSTRAINT" or not scanned:
        return  # validating is the recipe, and there is no other way to it
    alter = f"ALTER DOMAIN {deed.name.sql}"
    name = quoted(deed.constraint or f"{deed.name.name}_check")
    condition = deed.condition.text if deed.condition else "VALUE IS NOT NULL"
    yield Alarm(
        rule="domain-constraint-scan",
        act=act,
        on=scanned[0],
        during=READ,
        explains=scanned,
        hazard=f"{deed.what} on the domain {deed.name} reads every row of {', '.join(map(str, scanned))}",
        recipe=pen.second(
            pen.run(f"{alter} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"),
            pen.run(f"{alter} VALIDATE CONSTRAINT {name}"),
        ),
    )
