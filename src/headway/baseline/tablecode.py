"""Tables and foreign keys as Alembic's operations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.baseline.typecode import type_code
from headway.baseline.wording import verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headway.baseline.steps import Step
    from headway.catalogue import Catalogue, Column, Constraint, Identity, Part, Table

_PARTITION_BY = " PARTITION BY "
_UNIQUE = re.compile(
    r"UNIQUE(?P<nulls> NULLS NOT DISTINCT)? \([^()]*\)(?: DEFERRABLE(?: INITIALLY DEFERRED)?)?"
)
_PRIMARY = re.compile(r"PRIMARY KEY \([^()]*\)")
_REFERENCES = re.compile(
    r"FOREIGN KEY \(.*\) REFERENCES .+\(.*?\)(?P<match> MATCH FULL)?"
    r"(?: ON UPDATE (?P<update>CASCADE|RESTRICT|SET NULL|SET DEFAULT))?"
    r"(?: ON DELETE (?P<delete>CASCADE|RESTRICT|SET NULL|SET DEFAULT))?"
    r"(?: DEFERRABLE(?: INITIALLY DEFERRED)?)?"
)
_USUAL_NOT_NULL = re.compile(r"(?<!\S)CONSTRAINT \S+ NOT NULL|NOT NULL NO INHERIT")
_INTEGERS = frozenset({"smallint", "integer", "bigint"})


def table_code(step: Step, catalogue: Catalogue, *, vectors: bool) -> tuple[str, list[str]] | None:
    """``op.create_table``, and SQL for those of its constraints that it cannot say.

    Returns:
        ``None`` where the whole of it is better said in SQL.
    """
    part = step.part
    table = catalogue.tables.get((part.schema or "", part.name))
    clause = part.rest.removeprefix(_PARTITION_BY)
    if table is None or table.unlogged or (part.rest and clause == part.rest) or " USING " in clause:
        return None
    if " WITH (" in part.rest or len(step.columns) != len(table.columns):
        return None
    keys = next((each.columns for each in table.constraints if each.kind == "p"), ())
    lines = [repr(part.name)]
    for made, column in zip(step.columns, table.columns, strict=True):
        code = type_code(column, catalogue, vectors=vectors)
        said = None if code is None else _column(step, made, column, code, in_key=column.name in keys)
        if said is None:
            return None
        lines.append(said)
    inline, after = _constraints(step, table)
    lines += inline
    lines += _options(step, table, clause)
    return "op.create_table(\n" + "".join(f"        {line},\n" for line in lines) + "    )", after


def drop_table_code(part: Part) -> str:
    """``op.drop_table``."""
    return f"op.drop_table({part.name!r}{_schema(part)})"


def foreign_key_code(part: Part, catalogue: Catalogue) -> str | None:
    """``op.create_foreign_key``; ``None`` where it cannot say all of it."""
    table = catalogue.tables.get((part.schema or "", part.table or ""))
    found = next((each for each in table.constraints if each.name == part.name), None) if table else None
    said = _REFERENCES.fullmatch(found.definition) if found else None
    if found is None or said is None or found.referred is None or not found.validated:
        return None
    schema, other = found.referred
    words = [f"op.f({found.name!r})", repr(part.table), repr(other)]
    words += [repr([*found.columns]), repr([*found.referred_columns])]
    words += [f"source_schema={part.schema!r}"] if part.schema != "public" else []
    words += [f"referent_schema={schema!r}"] if schema != "public" else []
    words += [f"onupdate={said['update']!r}"] if said["update"] else []
    words += [f"ondelete={said['delete']!r}"] if said["delete"] else []
    words += ["match='FULL'"] if said["match"] else []
    words += _deferrable(found)
    return "op.create_foreign_key(\n" + "".join(f"        {word},\n" for word in words) + "    )"


def _column(step: Step, made: Part, column: Column, code: str, *, in_key: bool) -> str | None:
    if _USUAL_NOT_NULL.search(made.make) or "SEQUENCE NAME" in made.make or column.generated == "v":
        return None
    words = [repr(column.name), code]
    if column.identity is not None and " AS IDENTITY" in made.make:
        words.append(_identity(column.identity, made.make))
    elif column.expression is not None:
        words.append(f"sa.Computed({verbatim(column.expression)!r}, persisted=True)")
    elif column.name == step.serial:
        pass  # as SQLAlchemy makes an integer that is the primary key
    elif column.default is not None:
        words.append(f"server_default=sa.text({verbatim(column.default)!r})")
    elif in_key and column.type in _INTEGERS:
        words.append("autoincrement=False")
    words.append(f"nullable={column.nullable}")
    comment = step.comments.get(made.key[2])
    if comment is not None:
        words.append(f"comment={comment.rest!r}")
    return f"sa.Column({', '.join(words)})"


def _identity(identity: Identity, made: str) -> str:
    words = [f"always={identity.always}"]
    if " AS IDENTITY (" in made:
        words += [f"start={identity.start}", f"increment={identity.increment}"]
        words += [f"minvalue={identity.minimum}", f"maxvalue={identity.maximum}"]
        words += [f"cycle={identity.cycle}", f"cache={identity.cache}"]
    return f"sa.Identity({', '.join(words)})"


def _constraints(step: Step, table: Table) -> tuple[list[str], list[str]]:
    found = {each.name: each for each in table.constraints}
    inline, after = [], []
    for part in step.constraints:
        code = _constraint(found[part.name]) if part.name in found else None
        if code is None:
            after.append(f"ALTER TABLE {part.rest} ADD {part.make}")
        else:
            inline.append(code)
    return inline, after


def _constraint(constraint: Constraint) -> str | None:
    name, columns = f"name=op.f({constraint.name!r})", ", ".join(map(repr, constraint.columns))
    if constraint.kind == "p" and _PRIMARY.fullmatch(constraint.definition):
        return f"sa.PrimaryKeyConstraint({columns}, {name})"
    if constraint.kind == "u" and (said := _UNIQUE.fullmatch(constraint.definition)):
        words = [columns, name, *_deferrable(constraint)]
        words += ["postgresql_nulls_not_distinct=True"] if said["nulls"] else []
        return f"sa.UniqueConstraint({', '.join(words)})"
    if constraint.kind == "c" and constraint.definition == f"CHECK ({constraint.expression})":
        return f"sa.CheckConstraint({verbatim(constraint.expression or '')!r}, {name})"
    return None


def _options(step: Step, table: Table, partition_by: str) -> Iterator[str]:
    if table.schema != "public":
        yield f"schema={table.schema!r}"
    comment = next((each for position, each in step.comments.items() if position == 0), None)
    if comment is not None:
        yield f"comment={comment.rest!r}"
    if partition_by:
        yield f"postgresql_partition_by={partition_by!r}"


def _deferrable(constraint: Constraint) -> list[str]:
    if not constraint.deferrable:
        return []
    return ["deferrable=True", *(["initially='DEFERRED'"] if constraint.deferred else [])]


def _schema(part: Part) -> str:
    return f", schema={part.schema!r}" if part.schema != "public" else ""
