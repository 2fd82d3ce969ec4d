"""When an operation of a revision is due."""

from __future__ import annotations

import re
from enum import IntEnum, auto
from typing import TYPE_CHECKING, Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops

from headway.autogenerate.operations import (
    CreateExtensionOp,
    CreateSchemaOp,
    DropExtensionOp,
    DropSchemaOp,
    RemarkOp,
)
from headway.autogenerate.sequences import CreateSequenceOp, DropSequenceOp

if TYPE_CHECKING:
    from alembic.operations import MigrateOperation


class Phase(IntEnum):
    """When an operation is due.

    What depends on something goes before it and comes after it; so the phases hold for both directions.
    """

    NAMESPACE = auto()
    TYPE = auto()
    DROP_FOREIGN_KEY = auto()
    DROP_INDEX = auto()
    DROP_CHECK = auto()
    DROP_KEY = auto()
    DROP_COMPUTED = auto()
    DROP_COLUMN = auto()
    DROP_TABLE = auto()
    RENAME = auto()
    CREATE_TABLE = auto()
    ADD_COLUMN = auto()
    ALTER_COLUMN = auto()
    ADD_COMPUTED = auto()
    ADD_KEY = auto()
    ADD_CHECK = auto()
    CREATE_INDEX = auto()
    ADD_FOREIGN_KEY = auto()
    DROP_TYPE = auto()
    DROP_NAMESPACE = auto()
    COMMENT = auto()


_BY_CLASS: tuple[tuple[type[Any], Phase], ...] = (
    (CreateSchemaOp, Phase.NAMESPACE),
    (CreateExtensionOp, Phase.NAMESPACE),
    (CreateSequenceOp, Phase.TYPE),
    (DropSequenceOp, Phase.DROP_TYPE),
    (DropSchemaOp, Phase.DROP_NAMESPACE),
    (DropExtensionOp, Phase.DROP_NAMESPACE),
    (RemarkOp, Phase.DROP_NAMESPACE),
    (ops.DropIndexOp, Phase.DROP_INDEX),
    (ops.DropTableOp, Phase.DROP_TABLE),
    (ops.RenameTableOp, Phase.RENAME),
    (ops.CreateTableOp, Phase.CREATE_TABLE),
    (ops.CreatePrimaryKeyOp, Phase.ADD_KEY),
    (ops.CreateUniqueConstraintOp, Phase.ADD_KEY),
    (ops.CreateCheckConstraintOp, Phase.ADD_CHECK),
    (CreateExcludeConstraintOp, Phase.ADD_CHECK),
    (ops.CreateIndexOp, Phase.CREATE_INDEX),
    (ops.CreateForeignKeyOp, Phase.ADD_FOREIGN_KEY),
    (ops.CreateTableCommentOp, Phase.COMMENT),
    (ops.DropTableCommentOp, Phase.COMMENT),
)
# Operations of alembic-postgresql-enum, by their names: the package need not be installed.
_BY_NAME = {
    "create_enum": Phase.TYPE,
    "add_enum_value": Phase.TYPE,
    "change_enum_variants": Phase.ALTER_COLUMN,
    "drop_enum": Phase.DROP_TYPE,
}

_LEAVING = re.compile(r"\bDROP (?:DEFAULT|EXPRESSION|IDENTITY)\Z")


def phase_of(operation: MigrateOperation) -> Phase | None:
    """When an operation is due; ``None`` when it is unknown, as SQL that a project's hook has added."""
    match operation:
        case ops.DropConstraintOp():
            return _phase_of_drop(operation)
        case ops.DropColumnOp():
            return Phase.DROP_COMPUTED if _is_computed(operation.to_column()) else Phase.DROP_COLUMN
        case ops.AddColumnOp():
            return Phase.ADD_COMPUTED if _is_computed(operation.column) else Phase.ADD_COLUMN
        case ops.AlterColumnOp():
            return _phase_of_alter(operation)
    by_class = [phase for class_, phase in _BY_CLASS if isinstance(operation, class_)]
    if by_class or not hasattr(operation, "column_name"):
        return by_class[0] if by_class else _BY_NAME.get(str(getattr(operation, "operation_name", "")))
    return Phase.ALTER_COLUMN


def _phase_of_drop(operation: ops.DropConstraintOp) -> Phase:
    if operation.constraint_type == "foreignkey":
        return Phase.DROP_FOREIGN_KEY
    return Phase.DROP_KEY if operation.constraint_type in {"unique", "primary"} else Phase.DROP_CHECK


def _phase_of_alter(operation: ops.AlterColumnOp) -> Phase:
    if operation.modify_name is not None:
        return Phase.RENAME
    return Phase.COMMENT if operation.modify_comment is not False else Phase.ALTER_COLUMN


def _is_computed(column: Any) -> bool:
    return column.computed is not None


def turn_of(operation: MigrateOperation) -> int:
    """When a change of a column has its turn among others of it.

    A default, identity or expression goes before the type changes, for it may not fit the new one, and comes
    when all else is as it should be.
    """
    if isinstance(operation, ops.AlterColumnOp):
        if operation.modify_type is not None:
            return 1
        if operation.modify_nullable is not None:
            return 2
        return 0 if operation.modify_server_default is None else 3
    if getattr(operation, "operation_name", None) == "change_enum_variants":
        return 1
    first = next(iter(getattr(operation, "statements", ())), "")
    return 0 if _LEAVING.search(first) else 3
