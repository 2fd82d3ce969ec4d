"""The CHECK that a type brings along, as ``Enum(native_enum=False, create_constraint=True)`` does.

In CREATE TABLE it comes with the type. For a table that is there :mod:`headway.autogenerate.parts` has an
operation for each check, and Alembic's ADD COLUMN and ALTER COLUMN would make it once more.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from alembic.operations import MigrateOperation
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine


def leave_checks_to_operations(
    operations: Iterable[MigrateOperation], tables: Collection[tuple[str | None, str]], dialect: Dialect
) -> None:
    """Have columns that are added or altered bring no check of their own.

    Args:
        operations: of the upgrade, whose reverse follows from them.
        tables: those whose checks have operations.
        dialect: the database's.
    """
    for table in operations:
        if not isinstance(table, ops.ModifyTableOps) or (table.schema, table.table_name) not in tables:
            continue
        for operation in table.ops:
            if isinstance(operation, ops.AddColumnOp):
                bare = _bare(operation.column.type, dialect)
                if bare is not operation.column.type:
                    # The model's own column stays as it is.
                    operation.column = copy(operation.column)
                    operation.column.type = bare
            elif isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
                operation.modify_type = _bare(operation.modify_type, dialect)


def _bare(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    made = type_.load_dialect_impl(dialect) if isinstance(type_, TypeDecorator) else type_
    if not getattr(made, "create_constraint", False):
        return type_
    bare: Any = copy(made)
    bare.create_constraint = False
    return bare  # type: ignore[no-any-return]  # create_constraint is of SchemaType's children
