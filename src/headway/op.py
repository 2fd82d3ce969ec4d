"""What revision files call beside ``alembic.op``: the operations that Alembic lacks.

A generated file says ``import headway.op``. They work wherever ``alembic.op`` does: under ``alembic upgrade``
and with ``--sql`` as well.
"""

from __future__ import annotations

from headway.alembic_bridge import invoke
from headway.autogenerate.operations import (
    CreateExtensionOp,
    CreateSchemaOp,
    DropExtensionOp,
    DropSchemaOp,
    IrreversibleWithRowsOp,
    RefuseRowsOp,
    SetNotNullOp,
    ValidateConstraintOp,
)

__all__ = [
    "create_extension",
    "create_schema",
    "drop_extension",
    "drop_schema",
    "irreversible_with_rows",
    "refuse_rows",
    "set_not_null",
    "validate_constraint",
]


def create_extension(name: str, *, schema: str | None = None) -> None:
    """Create an extension unless the database has it.

    Args:
        name: the extension, such as ``vector``.
        schema: where its objects go; the first schema of the search path when ``None``.
    """
    invoke(CreateExtensionOp(name, schema=schema))


def drop_extension(name: str) -> None:
    """Drop an extension if it is there, without CASCADE: PostgreSQL refuses while anything uses it."""
    invoke(DropExtensionOp(name))


def create_schema(name: str) -> None:
    """Create a schema unless the database has it."""
    invoke(CreateSchemaOp(name))


def drop_schema(name: str) -> None:
    """Drop a schema, without CASCADE: PostgreSQL refuses while anything is in it."""
    invoke(DropSchemaOp(name))


def validate_constraint(constraint_name: str, table_name: str, *, schema: str | None = None) -> None:
    """Check the rows against a constraint that was added as NOT VALID.

    Reads and writes go on meanwhile, if it runs in a transaction after the one that added the constraint
    (SHARE UPDATE EXCLUSIVE; PostgreSQL manual, ALTER TABLE).

    Args:
        constraint_name: a foreign key or CHECK.
        table_name: its table.
        schema: the table's; the search path decides when ``None``.
    """
    invoke(ValidateConstraintOp(constraint_name, table_name, schema=schema))


def set_not_null(table_name: str, column_name: str, *, schema: str | None = None) -> None:
    """Make a column NOT NULL while others go on reading and writing its table.

    A CHECK is added as NOT VALID and validated, so that SET NOT NULL need not read the table (PostgreSQL 12
    and later; manual, ALTER TABLE), and dropped. The revision must say ``transactional = False``: in one
    transaction the first statement's lock would be kept through the validation.

    Args:
        table_name: the table.
        column_name: its column, which must hold no NULL.
        schema: the table's; the search path decides when ``None``.

    Raises:
        RefusedError: the column holds NULLs; nothing was done.
    """
    invoke(SetNotNullOp(table_name, column_name, schema=schema))


def refuse_rows(
    table_name: str, *, because: str, where: str | None = None, schema: str | None = None
) -> None:
    """Go on only if the table is empty, or holds no row of which ``where`` is true.

    As SQL it is a DO block that raises.

    Args:
        table_name: the table.
        because: what the rows would make impossible, and what to do about it.
        where: a condition in SQL; any row counts when ``None``.
        schema: the table's; the search path decides when ``None``.

    Raises:
        RefusedError: there is such a row.
    """
    invoke(RefuseRowsOp(table_name, because=because, where=where, schema=schema))


def irreversible_with_rows(
    table_name: str, *, because: str, where: str | None = None, schema: str | None = None
) -> None:
    """Go back only if the table is empty, or holds no row of which ``where`` is true.

    Its parameters are those of :func:`refuse_rows`.

    Raises:
        IrreversibleMigration: there is such a row.
    """
    invoke(IrreversibleWithRowsOp(table_name, because=because, where=where, schema=schema))
