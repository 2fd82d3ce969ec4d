"""Operations that Alembic lacks, and how they are run; :mod:`headway.op` is what revision files call."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import text

from headway.autogenerate.literals import literal
from headway.errors import HeadwayError, IrreversibleMigration, RefusedError

ROW_CHECK = "DO $headway$ BEGIN IF EXISTS "
"""How the SQL of ``headway.op.refuse_rows`` begins: a block that looks and raises, and changes nothing."""


class CreateExtensionOp(MigrateOperation):
    """CREATE EXTENSION IF NOT EXISTS."""

    def __init__(self, name: str, *, schema: str | None = None) -> None:
        self.name = name
        self.schema = schema

    def reverse(self) -> DropExtensionOp:
        """The operation that undoes it."""
        return DropExtensionOp(self.name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("add_extension", self.name)


class DropExtensionOp(MigrateOperation):
    """DROP EXTENSION IF EXISTS, without CASCADE."""

    def __init__(self, name: str, *, schema: str | None = None) -> None:
        self.name = name
        self.schema = schema

    def reverse(self) -> CreateExtensionOp:
        """The operation that undoes it."""
        return CreateExtensionOp(self.name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("remove_extension", self.name)


class CreateSchemaOp(MigrateOperation):
    """CREATE SCHEMA IF NOT EXISTS."""

    def __init__(self, name: str) -> None:
        self.name = name

    def reverse(self) -> DropSchemaOp:
        """The operation that undoes it."""
        return DropSchemaOp(self.name)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("add_schema", self.name)


class DropSchemaOp(MigrateOperation):
    """DROP SCHEMA, without CASCADE."""

    def __init__(self, name: str) -> None:
        self.name = name

    def reverse(self) -> CreateSchemaOp:
        """The operation that undoes it."""
        return CreateSchemaOp(self.name)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("remove_schema", self.name)


class TableOp(MigrateOperation):
    """An operation on one table."""

    def __init__(self, table_name: str, *, schema: str | None = None) -> None:
        self.table_name = table_name
        self.schema = schema


class ValidateConstraintOp(TableOp):
    """ALTER TABLE ... VALIDATE CONSTRAINT."""

    def __init__(self, constraint_name: str, table_name: str, *, schema: str | None = None) -> None:
        super().__init__(table_name, schema=schema)
        self.constraint_name = constraint_name

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("validate_constraint", self.schema, self.table_name, self.constraint_name)


class SetNotNullOp(TableOp):
    """SET NOT NULL without a long lock."""

    def __init__(self, table_name: str, column_name: str, *, schema: str | None = None) -> None:
        super().__init__(table_name, schema=schema)
        self.column_name = column_name

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("set_not_null", self.schema, self.table_name, self.column_name)


class RefuseRowsOp(TableOp):
    """Stop when a table holds rows that what follows could not take."""

    directive: ClassVar[str] = "refuse_rows"
    sqlstate: ClassVar[str] = "55000"  # object_not_in_prerequisite_state; PostgreSQL manual, appendix A

    def __init__(
        self, table_name: str, *, because: str, where: str | None = None, schema: str | None = None
    ) -> None:
        super().__init__(table_name, schema=schema)
        self.because = because
        self.where = where

    def failure(self) -> HeadwayError:
        """What is raised when there is such a row."""
        return RefusedError(self.because)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return (self.directive, self.schema, self.table_name, self.because)


class IrreversibleWithRowsOp(RefuseRowsOp):
    """Stop a downgrade that rows make impossible."""

    directive = "irreversible_with_rows"

    def failure(self) -> HeadwayError:
        """What is raised when there is such a row."""
        return IrreversibleMigration(self.because)


class AnnotatedOp(MigrateOperation):
    """An operation with what the file is to say above it."""

    def __init__(self, operation: MigrateOperation, remarks: tuple[str, ...] = ()) -> None:
        self.operation = operation
        self.remarks = remarks

    def reverse(self) -> AnnotatedOp:
        """The reverse of the operation; what was said of this one does not hold for it."""
        return AnnotatedOp(self.operation.reverse())

    def to_diff_tuple(self) -> Any:
        """What Alembic prints for the operation itself."""
        return self.operation.to_diff_tuple()


class RemarkOp(MigrateOperation):
    """Nothing but a remark: why something is not done."""

    def __init__(self, remark: str) -> None:
        self.remark = remark

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("remark", self.remark)


def _quoted(operations: Operations, name: str, schema: str | None = None) -> str:
    preparer = operations.migration_context.dialect.identifier_preparer
    prefix = f"{preparer.quote(schema)}." if schema else ""
    return prefix + preparer.quote(name)


def _run(operations: Operations, sql: str) -> None:
    # text() would take what follows a colon in a name for a parameter.
    operations.execute(text(sql.replace(":", r"\:")))


@Operations.implementation_for(CreateExtensionOp)
def _create_extension(operations: Operations, operation: CreateExtensionOp) -> None:
    where = f" SCHEMA {_quoted(operations, operation.schema)}" if operation.schema else ""
    _run(operations, f"CREATE EXTENSION IF NOT EXISTS {_quoted(operations, operation.name)}{where}")


@Operations.implementation_for(DropExtensionOp)
def _drop_extension(operations: Operations, operation: DropExtensionOp) -> None:
    _run(operations, f"DROP EXTENSION IF EXISTS {_quoted(operations, operation.name)}")


@Operations.implementation_for(CreateSchemaOp)
def _create_schema(operations: Operations, operation: CreateSchemaOp) -> None:
    _run(operations, f"CREATE SCHEMA IF NOT EXISTS {_quoted(operations, operation.name)}")


@Operations.implementation_for(DropSchemaOp)
def _drop_schema(operations: Operations, operation: DropSchemaOp) -> None:
    _run(operations, f"DROP SCHEMA {_quoted(operations, operation.name)}")


@Operations.implementation_for(ValidateConstraintOp)
def _validate_constraint(operations: Operations, operation: ValidateConstraintOp) -> None:
    table = _quoted(operations, operation.table_name, operation.schema)
    constraint = _quoted(operations, operation.constraint_name)
    _run(operations, f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


@Operations.implementation_for(SetNotNullOp)
def _set_not_null(operations: Operations, operation: SetNotNullOp) -> None:
    table = _quoted(operations, operation.table_name, operation.schema)
    column = _quoted(operations, operation.column_name)
    # A name of ours, short whatever the column's is.
    proof = f"headway_not_null_{zlib.crc32(f'{table}.{column}'.encode()):08x}"
    operations.invoke(
        RefuseRowsOp(
            operation.table_name,
            because=f"{table}.{column} is to be NOT NULL and holds NULLs. Fill them in this revision, "
            "before set_not_null.",
            where=f"{column} IS NULL",
            schema=operation.schema,
        )
    )
    for action in (
        f"ADD CONSTRAINT {proof} CHECK ({column} IS NOT NULL) NOT VALID",
        f"VALIDATE CONSTRAINT {proof}",
        f"ALTER COLUMN {column} SET NOT NULL",
        f"DROP CONSTRAINT {proof}",
    ):
        _run(operations, f"ALTER TABLE {table} {action}")


@Operations.implementation_for(RefuseRowsOp)
@Operations.implementation_for(IrreversibleWithRowsOp)
def _refuse_rows(operations: Operations, operation: RefuseRowsOp) -> None:
    table = _quoted(operations, operation.table_name, operation.schema)
    condition = f" WHERE {operation.where}" if operation.where else ""
    rows = f"(SELECT 1 FROM {table}{condition})"  # noqa: S608  # names are quoted
    if operations.migration_context.as_sql:
        said = literal(operation.because)
        # RAISE takes a format; the message is its argument. PostgreSQL manual 41.9.
        raising = f"RAISE EXCEPTION '%', {said} USING ERRCODE = '{operation.sqlstate}'"
        _run(operations, f"{ROW_CHECK}{rows} THEN {raising}; END IF; END $headway$")
    elif operations.get_bind().execute(text(f"SELECT EXISTS {rows}".replace(":", r"\:"))).scalar():
        raise operation.failure()
