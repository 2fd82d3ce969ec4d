"""Columns, constraints, and what ALTER TABLE does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.lint import deeds
from headway.lint.deeds import AlterTable, Column, Constraint, Deed, Expression, Generated, Kind
from headway.lint.names import Name, quoted
from headway.lint.parsing.expressions import expression, is_null, type_of
from headway.lint.parsing.tree import choice, inner, kind, name_of, relation, said, strings
from headway.results import LockMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_KINDS = {
    "CONSTR_CHECK": Kind.CHECK,
    "CONSTR_NOTNULL": Kind.NOT_NULL,
    "CONSTR_UNIQUE": Kind.UNIQUE,
    "CONSTR_PRIMARY": Kind.PRIMARY,
    "CONSTR_FOREIGN": Kind.FOREIGN,
    "CONSTR_EXCLUSION": Kind.EXCLUDE,
}
_SERIAL = {"serial": "int4", "bigserial": "int8", "smallserial": "int2"}
_SERIAL |= {"serial4": "int4", "serial8": "int8", "serial2": "int2"}
_STORED = {"s": Generated.STORED, "v": Generated.VIRTUAL}

_EXCLUSIVE, _NO_WRITES = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE_ROW_EXCLUSIVE
_SHARED = LockMode.SHARE_UPDATE_EXCLUSIVE
# The locks of ALTER TABLE's other forms (PostgreSQL manual, ALTER TABLE; AlterTableGetLockLevel in
# tablecmds.c). What is in neither table takes ACCESS EXCLUSIVE.
_WEAKER = {
    "AT_SetStatistics": _SHARED,
    "AT_SetOptions": _SHARED,
    "AT_ResetOptions": _SHARED,
    "AT_ClusterOn": _SHARED,
    "AT_DropCluster": _SHARED,
    "AT_SetRelOptions": _SHARED,
    "AT_ResetRelOptions": _SHARED,
    "AT_EnableTrig": _NO_WRITES,
    "AT_EnableAlwaysTrig": _NO_WRITES,
    "AT_EnableReplicaTrig": _NO_WRITES,
    "AT_EnableTrigAll": _NO_WRITES,
    "AT_EnableTrigUser": _NO_WRITES,
    "AT_DisableTrig": _NO_WRITES,
    "AT_DisableTrigAll": _NO_WRITES,
    "AT_DisableTrigUser": _NO_WRITES,
}
_REWRITING = {
    "AT_SetLogged": "SET LOGGED",
    "AT_SetUnLogged": "SET UNLOGGED",
    "AT_SetAccessMethod": "SET ACCESS METHOD",
    "AT_SetTableSpace": "SET TABLESPACE",
    "AT_SetExpression": "SET EXPRESSION",
}


def constraint_of(node: Any, *, column: str | None = None) -> Constraint:
    """A constraint; ``column`` is the one that it stands behind."""
    what = _KINDS[choice(node, "contype")]
    columns = strings(node.fk_attrs if what is Kind.FOREIGN else node.keys)
    condition = expression(node.raw_expr) if what is Kind.CHECK and node.HasField("raw_expr") else None
    refers = relation(node.pktable) if node.HasField("pktable") else None
    made = Constraint(
        kind=what,
        name=node.conname or None,
        columns=columns or ((column,) if column else ()),
        valid=not node.skip_validation,
        index=node.indexname or None,
        refers=refers,
        refers_columns=strings(node.pk_attrs),
        condition=condition,
    )
    return Constraint(**{**_fields(made), "text": _text(made)})


def _fields(made: Constraint) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Constraint.__slots__}


def _text(made: Constraint) -> str:
    columns = ", ".join(map(quoted, made.columns))
    if made.kind is Kind.CHECK:
        return f"CHECK ({made.condition.text if made.condition else ''})"
    if made.index is not None:
        return f"{made.kind.value} USING INDEX {quoted(made.index)}"
    if made.kind is Kind.FOREIGN and made.refers is not None:
        theirs = ", ".join(map(quoted, made.refers_columns))
        return f"FOREIGN KEY ({columns}) REFERENCES {made.refers.sql}" + (f" ({theirs})" if theirs else "")
    return f"NOT NULL {columns}" if made.kind is Kind.NOT_NULL else f"{made.kind.value} ({columns})"


def column_of(node: Any) -> Column:
    """A column of CREATE TABLE or ADD COLUMN."""
    type_ = type_of(node.type_name)
    parts = [inner(each) for each in node.constraints]
    kinds = [choice(each, "contype") for each in parts]
    own = tuple(
        constraint_of(each, column=node.colname) for each in parts if choice(each, "contype") in _KINDS
    )
    generated = next(_generated(parts, kinds), None)
    if type_.name.name in _SERIAL and type_.name.schema is None:
        generated = Generated.SERIAL
        type_ = deeds.Type(Name(_SERIAL[type_.name.name]), text=type_.text)
    return Column(
        name=node.colname,
        type=type_,
        not_null=any(each.kind in {Kind.NOT_NULL, Kind.PRIMARY} for each in own),
        default=next(_default(parts, kinds), None),
        generated=generated,
        constraints=tuple(each for each in own if each.kind is not Kind.NOT_NULL),
    )


def _generated(parts: Iterable[Any], kinds: Iterable[str]) -> Iterator[Generated]:
    for part, what in zip(parts, kinds, strict=True):
        if what == "CONSTR_IDENTITY":
            yield Generated.IDENTITY
        elif what == "CONSTR_GENERATED":
            yield _STORED.get(part.generated_kind, Generated.STORED)


def _default(parts: Iterable[Any], kinds: Iterable[str]) -> Iterator[Expression]:
    for part, what in zip(parts, kinds, strict=True):
        if what == "CONSTR_DEFAULT" and not is_null(part.raw_expr):
            yield expression(part.raw_expr)


def table_parts(elements: Iterable[Any]) -> tuple[tuple[Column, ...], tuple[Constraint, ...]]:
    """The columns of CREATE TABLE, and its constraints."""
    nodes = [inner(each) for each in elements]
    columns = tuple(column_of(each) for each in nodes if kind(each) == "ColumnDef")
    constraints = tuple(
        constraint_of(each)
        for each in nodes
        if kind(each) == "Constraint" and choice(each, "contype") in _KINDS
    )
    return columns, constraints


def alterations(node: Any) -> Iterator[Deed]:
    """The deeds of one ALTER TABLE."""
    table = relation(node.relation)
    if choice(node, "objtype") not in {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE", "OBJECT_MATVIEW"}:
        yield deeds.Other(choice(node, "objtype"))
        return
    for each in node.cmds:
        command = inner(each)
        what = choice(command, "subtype")
        yield _SUBCOMMANDS[what](table, command) if what in _SUBCOMMANDS else _other(table, what)


def _other(table: Name, what: str) -> Deed:
    words = _REWRITING.get(what) or what.removeprefix("AT_")
    return AlterTable(table, words, _WEAKER.get(what, _EXCLUSIVE), rewrites=what in _REWRITING)


def _add_column(table: Name, command: Any) -> Deed:
    return deeds.AddColumn(table, column_of(said(command, "def")), if_not_exists=bool(command.missing_ok))


def _alter_type(table: Name, command: Any) -> Deed:
    definition = said(command, "def")
    using = expression(definition.raw_default) if definition.HasField("raw_default") else None
    collates = definition.HasField("coll_clause")
    return deeds.AlterType(table, command.name, type_of(definition.type_name), using, collates)


def _set_default(table: Name, command: Any) -> Deed:
    given = said(command, "def")
    none = given is None or is_null(given)
    return deeds.SetDefault(table, command.name, None if none else expression(given))


def _add_constraint(table: Name, command: Any) -> Deed:
    node = said(command, "def")
    if choice(node, "contype") not in _KINDS:
        return AlterTable(table, "ADD CONSTRAINT", _EXCLUSIVE)
    return deeds.AddConstraint(table, constraint_of(node))


def _attach(table: Name, command: Any) -> Deed:
    given = said(command, "def")
    return deeds.AttachPartition(table, relation(given.name), default=bool(given.bound.is_default))


def _detach(table: Name, command: Any) -> Deed:
    given = said(command, "def")
    online = bool(given.concurrent) or choice(command, "subtype") == "AT_DetachPartitionFinalize"
    return deeds.DetachPartition(table, relation(given.name), concurrently=online)


_SUBCOMMANDS: dict[str, Callable[[Name, Any], Deed]] = {
    "AT_AddColumn": _add_column,
    "AT_DropColumn": lambda table, command: deeds.DropColumn(table, command.name),
    "AT_AlterColumnType": _alter_type,
    "AT_SetNotNull": lambda table, command: deeds.SetNotNull(table, command.name),
    "AT_DropNotNull": lambda table, command: deeds.DropNotNull(table, command.name),
    "AT_ColumnDefault": _set_default,
    "AT_AddConstraint": _add_constraint,
    "AT_DropConstraint": lambda table, command: deeds.DropConstraint(table, command.name),
    "AT_ValidateConstraint": lambda table, command: deeds.ValidateConstraint(table, command.name),
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
    "AT_DetachPartitionFinalize": _detach,
}


def domain_of(node: Any) -> Deed:
    """The deed of one ALTER DOMAIN (subtypes: parsenodes.h, AlterDomainStmt)."""
    given = said(node, "def")
    what = {"C": "ADD CONSTRAINT", "O": "SET NOT NULL", "V": "VALIDATE CONSTRAINT"}.get(node.subtype, "")
    checks = what in {"SET NOT NULL", "VALIDATE CONSTRAINT"}
    if given is not None and what == "ADD CONSTRAINT":
        made = constraint_of(given)
        return deeds.AlterDomain(name_of(node.type_name), what, made.valid, made.name, made.condition)
    return deeds.AlterDomain(name_of(node.type_name), what or "ALTER", checks, node.name or None)
