"""Columns: what adding or altering one costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.lint import columntypes, functions, recipes
from headway.lint.alarms import BUILT_ANEW, COPIED, READ, Alarm
from headway.lint.columntypes import Chance
from headway.lint.deeds import AddColumn, AlterType, Constraint, Expression, Generated, Kind, SetNotNull
from headway.lint.effects import domain_chance
from headway.lint.judging.constraints import builds_key, checks_rows, looks_up, needs_value
from headway.lint.names import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.lint.acts import Act
    from headway.lint.pen import Pen


def add_column(act: Act, deed: AddColumn, pen: Pen) -> Iterator[Alarm]:
    """A column of a table that was there."""
    if not act.existed(deed.table):
        return
    if act.rewrites(deed):
        yield _rewriting(act, deed, pen)
    elif act.scans(deed):
        yield from _scanning(act, deed, pen)
    column = deed.column
    if column.not_null and column.default is None and column.generated is None:
        yield Alarm(
            rule="required-column",
            act=act,
            on=deed.table,
            explains=(deed.table,),
            hazard=f"{deed.table}.{quoted(column.name)} is NOT NULL without a default: adding it fails if "
            f"{deed.table} holds rows, and code that is still running inserts rows without it",
            recipe=pen.second(
                recipes.add_column_plain(pen, deed.table, column)
                + f"\n{pen.remark('let the application write it, and fill the rows that are there; then:')}",
                recipes.set_not_null(pen, deed.table, column.name),
            ),
        )


def _rewriting(act: Act, deed: AddColumn, pen: Pen) -> Alarm:
    column, table = deed.column, deed.table
    name = f"{table}.{quoted(column.name)}"
    rule, why, recipe = "table-rewrite", f"adding {name} writes every row of {table} anew", ""
    if column.generated is Generated.STORED:
        rule, why = "stored-generated-column", f"the stored values of {name} are computed for every row"
        recipe = _instead_of_stored(deed, pen)
    elif column.generated is Generated.IDENTITY:
        rule, why = "identity-column-rewrite", f"every row is given its number in {name}"
        recipe = recipes.add_identity(pen, table, column)
    elif column.generated is Generated.SERIAL:
        rule, why = "volatile-default-rewrite", f"every row is given its number in {name} by nextval()"
        recipe = recipes.add_column_with_default(pen, table, column)
    elif column.default and functions.rewrite_chance(column.default.functions, act.schema.steady):
        rule = "volatile-default-rewrite"
        why = f"the default {column.default.text} of {name} is computed for every row"
        recipe = recipes.add_column_with_default(pen, table, column)
    elif domain_chance(column.type, act.schema):
        rule = "domain-constraint-scan"
        why = f"{column.type.text} is a domain with a constraint, so {name} is written for every row"
        recipe = _instead_of_domain(deed, pen)
    return Alarm(
        rule=rule,
        act=act,
        on=table,
        during=COPIED,
        explains=(table,),
        hazard=f"{why}: {table} is written anew" if rule != "table-rewrite" else why,
        recipe=recipe,
    )


def _instead_of_stored(deed: AddColumn, pen: Pen) -> str:
    said = f"compute {deed.column.name} in the application or in a trigger, and fill the rows that are there:"
    return (
        f"{recipes.add_column_plain(pen, deed.table, deed.column)}\n\n"
        f"{pen.remark('or GENERATED ALWAYS AS (…) VIRTUAL, from PostgreSQL 18 on')}\n{pen.remark(said)}\n"
        f"{recipes.fill(pen, deed.table, deed.column.name, '…', or_null=True)}"
    )


def _instead_of_domain(deed: AddColumn, pen: Pen) -> str:
    name = f"{deed.table.name}_{deed.column.name}_check"
    condition = "… the domain's condition …"
    column = quoted(deed.column.name)
    first = pen.run(
        f"ALTER TABLE {deed.table.sql} ADD COLUMN {column} … the domain's own type …",
        f"ALTER TABLE {deed.table.sql} ADD CONSTRAINT {quoted(name)} CHECK ({condition}) NOT VALID",
    )
    return pen.second(first, pen.validated(deed.table, name))


def _scanning(act: Act, deed: AddColumn, pen: Pen) -> Iterator[Alarm]:
    for made in deed.column.constraints:
        recipe_first = recipes.add_column_plain(pen, deed.table, deed.column)
        if made.kind is Kind.CHECK:
            yield checks_rows(act, deed.table, made, pen, first=recipe_first)
        elif made.kind in {Kind.UNIQUE, Kind.PRIMARY}:
            yield builds_key(act, deed.table, made, pen, first=recipe_first)
        elif made.kind is Kind.FOREIGN and deed.column.default is not None:
            yield looks_up(act, deed.table, made, pen, first=recipe_first)


def alter_type(act: Act, deed: AlterType, pen: Pen) -> Iterator[Alarm]:
    """Another type for a column that was there."""
    if not act.existed(deed.table):
        return
    known = act.schema.column(deed.table, deed.column)
    old = act.schema.resolved(known.type) if known is not None and known.type.name.name else None
    new = act.schema.resolved(deed.type)
    name = f"{deed.table}.{quoted(deed.column)}"
    change = f"{name} from {old.text} to {deed.type.text}" if old else f"{name} to {deed.type.text}"
    yield from _type_cost(act, deed, pen, change)
    if old is not None and not columntypes.same_family(old, new):
        yield Alarm(
            rule="type-change-incompatible",
            act=act,
            on=deed.table,
            hazard=f"code that is still running sends and expects {old.text} for {name}, which becomes "
            f"{deed.type.text}",
            recipe=recipes.change_type(pen, deed.table, deed),
        )
    elif old is not None and columntypes.loses(old, new):
        yield Alarm(
            rule="type-change-incompatible",
            act=act,
            on=deed.table,
            hazard=f"code that is still running sends values for {name} that {deed.type.text} does not "
            "hold, and the change fails, or rounds, if a row holds one already",
            recipe=recipes.add_check(pen, deed.table, _fits(deed)),
        )


def _fits(deed: AlterType) -> Constraint:
    """The constraint that no value is too long, as far as lint can write it."""
    condition = "… it fits …"
    if deed.type.modifiers and deed.type.name.name in {"varchar", "bpchar"}:
        condition = f"length({quoted(deed.column)}) <= {deed.type.modifiers[0]}"
    return Constraint(
        Kind.CHECK,
        f"{deed.table.name}_{deed.column}_fits",
        condition=Expression(condition),
        text=f"CHECK ({condition})",
    )


def _type_cost(act: Act, deed: AlterType, pen: Pen, change: str) -> Iterator[Alarm]:
    indexes = [
        each for each in act.review.rewritten if (lock := act.lock_named(each)) and lock.kind == "index"
    ]
    if act.rewrites(deed):
        rule, during, does = "type-change-rewrite", COPIED, f"writes {deed.table} anew, and its indexes"
    elif indexes:
        rule, during, does = "type-change-rewrite", BUILT_ANEW, f"builds {', '.join(indexes)} anew"
    elif act.scans(deed):
        domain = domain_chance(deed.type, act.schema) is not Chance.NONE
        rule = "domain-constraint-scan" if domain else "table-scan-under-lock"
        during, does = READ, f"reads every row of {deed.table} to check it"
    else:
        return
    yield Alarm(
        rule=rule,
        act=act,
        on=deed.table,
        during=during,
        explains=(deed.table,),
        hazard=f"changing {change} {does}",
        recipe=recipes.change_type(pen, deed.table, deed),
    )


def set_not_null(act: Act, deed: SetNotNull, pen: Pen) -> Iterator[Alarm]:
    """NOT NULL for a column that was there."""
    if not act.existed(deed.table) or not act.scans(deed):
        return
    name = f"{deed.table}.{quoted(deed.column)}"
    known = act.schema.table(deed.table)
    proof = known is not None and known.proves_not_null(deed.column)
    dropped = ", for the CHECK that proved it is dropped by the same statement" if proof else ""
    yield Alarm(
        rule="not-null-scan",
        act=act,
        on=deed.table,
        during=READ,
        explains=(deed.table,),
        hazard=f"SET NOT NULL reads every row of {deed.table} for a NULL in {name}{dropped}, and fails if it "
        "finds one",
        recipe=recipes.set_not_null(pen, deed.table, deed.column),
    )
    if not proof:
        yield from needs_value(act, deed.table, deed.column, pen)
