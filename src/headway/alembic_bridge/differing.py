"""What Alembic's operations would change, told thing by thing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import AddConstraint, CreateColumn, CreateIndex

from headway.results import Change, Difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.operations.ops import MigrateOperation, OpContainer
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Column, Constraint
    from sqlalchemy.sql.elements import CompilerElement

_KINDS = {
    "check": "check constraint",
    "exclude": "exclusion constraint",
    "exclude_constraint": "exclusion constraint",
    "foreignkey": "foreign key",
    "primary": "primary key",
    "primarykey": "primary key",
    "unique": "unique constraint",
}
"""What SQL calls the constraints whose types Alembic's operations name."""


def described(operations: OpContainer, context: MigrationContext) -> Iterator[Difference]:
    """Each thing once, in the order of the operations.

    What is dropped and made anew under its name is one change.
    """
    found = list(_each(operations, _Words(context)))
    again = {_identity(item): item for item in found if item.change is Change.ADDED}
    seen = {_identity(item) for item in found if item.change is Change.REMOVED and _identity(item) in again}
    for item in found:
        key = _identity(item)
        if key not in seen:
            yield item
        elif item.change is Change.REMOVED:
            yield replace(item, change=Change.CHANGED, new=again[key].new)


def _identity(item: Difference) -> tuple[str | None, ...]:
    return (item.kind, item.schema, item.table, item.name, item.attribute)


def _each(operations: OpContainer, words: _Words) -> Iterator[Difference]:
    for operation in operations.ops:
        if isinstance(operation, ops.OpContainer):
            yield from _each(operation, words)
        else:
            yield from words.of(operation)


class _Words:
    """Tells operations in SQL of the database at hand."""

    def __init__(self, context: MigrationContext) -> None:
        self._context = context
        self._dialect = context.dialect

    def of(self, operation: MigrateOperation) -> Iterable[Difference]:
        """What one operation changes."""
        if isinstance(operation, ops.AlterColumnOp):
            return self._alteration(operation)
        return [self._whole(operation)]

    def _whole(self, operation: MigrateOperation) -> Difference:
        match operation:
            case ops.CreateTableOp() | ops.DropTableOp():
                found = self._table(operation)
            case ops.AddColumnOp() | ops.DropColumnOp():
                found = self._column(operation)
            case ops.CreateIndexOp() | ops.DropIndexOp():
                found = self._index(operation)
            case ops.AddConstraintOp() | ops.DropConstraintOp():
                found = self._constraint(operation)
            case ops.CreateTableCommentOp() | ops.DropTableCommentOp():
                found = self._table_comment(operation)
            case _:
                found = self._anything(operation)
        return found

    def _table(self, operation: ops.CreateTableOp | ops.DropTableOp) -> Difference:
        if isinstance(operation, ops.DropTableOp):
            return Difference(Change.REMOVED, "table", operation.schema, operation.table_name, None)
        return Difference(Change.ADDED, "table", operation.schema, operation.table_name, None)

    def _column(self, operation: ops.AddColumnOp | ops.DropColumnOp) -> Difference:
        place = (operation.schema, operation.table_name)
        if isinstance(operation, ops.AddColumnOp):
            column = operation.column
            return Difference(Change.ADDED, "column", *place, column.name, new=self._definition(column))
        old = self._definition(operation.to_column(self._context))
        return Difference(Change.REMOVED, "column", *place, operation.column_name, old=old)

    def _definition(self, column: Column[Any]) -> str | None:
        """What follows the column's name in CREATE TABLE."""
        whole = self._sql(CreateColumn(column))
        name = self._dialect.identifier_preparer.format_column(column)
        return whole.removeprefix(name).strip() if whole else repr(column.type)

    def _alteration(self, operation: ops.AlterColumnOp) -> Iterator[Difference]:
        pairs = {
            "type": (operation.modify_type is not None, operation.existing_type, operation.modify_type),
            "nullable": (
                operation.modify_nullable is not None,
                operation.existing_nullable,
                operation.modify_nullable,
            ),
            "default": (
                operation.modify_server_default is not False,
                operation.existing_server_default,
                operation.modify_server_default,
            ),
            "comment": (
                operation.modify_comment is not False,
                operation.existing_comment,
                operation.modify_comment,
            ),
            "name": (operation.modify_name is not None, operation.column_name, operation.modify_name),
        }
        place = (operation.schema, operation.table_name, operation.column_name)
        for attribute, (modified, old, new) in pairs.items():
            if modified:
                yield Difference(
                    Change.CHANGED, "column", *place, attribute, self._value(old), self._value(new)
                )
        if not any(modified for modified, *_ in pairs.values()):
            yield Difference(Change.CHANGED, "column", *place, new=self._code(operation))

    def _value(self, value: Any) -> str:
        """A type, a default, a comment or a flag."""
        if value is None or value is False:
            return "none" if value is None else "no"
        if value is True:
            return "yes"
        if isinstance(value, str):
            return repr(value)
        try:
            if hasattr(value, "arg"):  # DefaultClause
                arg = value.arg
                return arg if isinstance(arg, str) else str(arg.compile(dialect=self._dialect))
            return str(value.compile(dialect=self._dialect))
        except (AttributeError, SQLAlchemyError):
            return repr(value)

    def _index(self, operation: ops.CreateIndexOp | ops.DropIndexOp) -> Difference:
        index = operation.to_index(self._context)
        place = (operation.schema, operation.table_name, operation.index_name)
        sql = self._sql(CreateIndex(index))
        if isinstance(operation, ops.CreateIndexOp):
            return Difference(Change.ADDED, "index", *place, new=sql)
        return Difference(Change.REMOVED, "index", *place, old=sql)

    def _constraint(self, operation: ops.AddConstraintOp | ops.DropConstraintOp) -> Difference:
        made: Any = operation
        if isinstance(operation, ops.CreateForeignKeyOp):
            schema, table = made.kw.get("source_schema"), made.source_table
        else:
            schema, table = made.schema, made.table_name
        kind = _KINDS.get(operation.constraint_type or "", "constraint")
        place = (kind, schema, table, _text(made.constraint_name))
        if isinstance(operation, ops.AddConstraintOp):
            constraint = operation.to_constraint(self._context)
            return Difference(Change.ADDED, *place, new=self._constraint_sql(constraint))
        try:
            constraint = operation.to_constraint()
        except ValueError:  # nothing is known of it but its name
            return Difference(Change.REMOVED, *place)
        if operation.constraint_type is None:  # Alembic's operation has no word for an exclusion
            place = (_KINDS.get(constraint.__visit_name__, kind), *place[1:])
        return Difference(Change.REMOVED, *place, old=self._constraint_sql(constraint))

    def _constraint_sql(self, constraint: Constraint) -> str | None:
        """What follows ADD in ALTER TABLE."""
        whole = self._sql(AddConstraint(constraint))
        return whole.partition(" ADD ")[2] if whole else None

    def _table_comment(self, operation: ops.CreateTableCommentOp | ops.DropTableCommentOp) -> Difference:
        old = operation.existing_comment
        new = operation.comment if isinstance(operation, ops.CreateTableCommentOp) else None
        change = Change.CHANGED if old is not None and new is not None else Change.ADDED
        if new is None:
            change = Change.REMOVED
        return Difference(
            change,
            "comment",
            operation.schema,
            operation.table_name,
            None,
            old=repr(old) if old is not None else None,
            new=repr(new) if new is not None else None,
        )

    def _anything(self, operation: MigrateOperation) -> Difference:
        """An operation of a plugin: its name says what it does, its code to what."""
        name = type(operation).__name__.removesuffix("Op")
        verbs = {"Create": Change.ADDED, "Add": Change.ADDED, "Drop": Change.REMOVED}
        verb = next((verb for verb in verbs if name.startswith(verb)), "")
        kind = "".join(f" {c.lower()}" if c.isupper() else c for c in name.removeprefix(verb)).strip()
        change = verbs.get(verb, Change.CHANGED)
        code = self._code(operation)
        return Difference(
            change,
            kind,
            getattr(operation, "schema", None),
            _text(getattr(operation, "table_name", None)),
            _text(getattr(operation, "name", None)),
            old=code if change is Change.REMOVED else None,
            new=None if change is Change.REMOVED else code,
        )

    def _code(self, operation: MigrateOperation) -> str:
        options = {
            "alembic_module_prefix": "op.",
            "sqlalchemy_module_prefix": "sa.",
            "user_module_prefix": None,
            "render_item": None,
            "render_as_batch": False,
        }
        # What is rendered here is compared already: without `autogenerate` no models are asked for.
        context = AutogenContext(self._context, opts=options, autogenerate=False)
        rendered = renderers.dispatch(operation)(context, operation)
        lines = rendered.split("\n") if isinstance(rendered, str) else rendered
        return " ".join(line.strip() for line in lines if not line.lstrip().startswith("#"))

    def _sql(self, element: CompilerElement) -> str | None:
        try:
            return " ".join(str(element.compile(dialect=self._dialect)).split())
        except SQLAlchemyError:
            return None


def _text(value: Any) -> str | None:
    return str(value) if value is not None else None
