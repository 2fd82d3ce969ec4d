"""Names for constraints that the models leave unnamed, where the database gives them none.

PostgreSQL names a constraint by itself. SQLite does not, and batch mode, which changes a table by making it
anew, can neither add nor drop what has no name (Alembic's manual, "Running Batch Migrations").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.operations import ops

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alembic.operations import MigrateOperation


def name_constraints(script: ops.MigrationScript) -> None:
    """Give the unique constraints and foreign keys that a revision adds a name made of table and columns.

    What the database holds unnamed keeps no name and cannot be dropped in batch mode: a naming convention of
    the metadata helps there, see MIGRATIONS.md.

    Args:
        script: the revision, changed in place.
    """
    for operation in _flat([*script.upgrade_ops_list, *script.downgrade_ops_list]):
        if isinstance(operation, ops.CreateUniqueConstraintOp | ops.CreateForeignKeyOp):
            operation.constraint_name = operation.constraint_name or _name(operation)
    for operation in _flat(script.downgrade_ops_list):
        # What the way back drops is what the way there has added.
        if isinstance(operation, ops.DropConstraintOp) and operation.constraint_name is None:
            operation.constraint_name = _name_of_dropped(operation)


def _flat(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            yield from _flat(operation.ops)
        else:
            yield operation


def _name_of_dropped(operation: ops.DropConstraintOp) -> str | None:
    try:
        created = operation.reverse()
    except ValueError:  # it does not say what it drops
        return None
    if isinstance(created, ops.CreateUniqueConstraintOp | ops.CreateForeignKeyOp):
        return _name(created)
    return None


def _name(operation: ops.CreateUniqueConstraintOp | ops.CreateForeignKeyOp) -> str:
    if isinstance(operation, ops.CreateForeignKeyOp):
        parts = ["fk", operation.source_table, *operation.local_cols, operation.referent_table]
    else:
        parts = ["uq", operation.table_name, *map(str, operation.columns)]
    return "_".join(parts)
