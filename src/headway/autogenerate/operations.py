"""Operations that Alembic lacks, as directives of ``op``.

To import this module is to register them, and ``headway.env`` does; so a revision file that uses them runs
under ``alembic upgrade`` as well, and writes itself as SQL with ``--sql``.
"""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import text

from headway.errors import HeadwayError, IrreversibleMigration, RefusedError

ROW_CHECK = "DO $headway$ BEGIN IF EXISTS "
"""How the SQL of ``op.refuse_rows`` begins: a block that looks and raises, and changes nothing."""


@Operations.register_operation("create_extension")
class CreateExtensionOp(MigrateOperation):
    """CREATE EXTENSION IF NOT EXISTS."""

    def __init__(self, name: str, *, schema: str | None = None) -> None:
        self.name = name
        self.schema = schema

    @classmethod
    def create_extension(cls, operations: Operations, name: str, *, schema: str | None = None) -> None:
        """Create an extension unless the database has it.

        Args:
            operations: given by ``op``.
            name: the extension, such as ``vector``.
            schema: where its objects go; the first schema of the search path when ``None``.
        """
        operations.invoke(cls(name, schema=schema))

    def reverse(self) -> DropExtensionOp:
        """The operation that undoes it; the files of autogenerate leave it out (see ``KeptExtension``)."""
        return DropExtensionOp(self.name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("add_extension", self.name)


@Operations.register_operation("drop_extension")
class DropExtensionOp(MigrateOperation):
    """DROP EXTENSION IF EXISTS, without CASCADE."""

    def __init__(self, name: str, *, schema: str | None = None) -> None:
        self.name = name
        self.schema = schema

    @classmethod
    def drop_extension(cls, operations: Operations, name: str) -> None:
        """Drop an extension; PostgreSQL refuses while anything uses it."""
        operations.invoke(cls(name))

    def reverse(self) -> CreateExtensionOp:
        """The operation that undoes it."""
        return CreateExtensionOp(self.name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("remove_extension", self.name)


@Operations.register_operation("create_schema")
class CreateSchemaOp(MigrateOperation):
    """CREATE SCHEMA IF NOT EXISTS."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def create_schema(cls, operations: Operations, name: str) -> None:
        """Create a schema unless the database has it."""
        operations.invoke(cls(name))

    def reverse(self) -> DropSchemaOp:
        """The operation that undoes it."""
        return DropSchemaOp(self.name)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("add_schema", self.name)


@Operations.register_operation("drop_schema")
class DropSchemaOp(MigrateOperation):
    """DROP SCHEMA, without CASCADE."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def drop_schema(cls, operations: Operations, name: str) -> None:
        """Drop a schema; PostgreSQL refuses while anything is in it."""
        operations.invoke(cls(name))

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


@Operations.register_operation("validate_constraint")
class ValidateConstraintOp(TableOp):
    """ALTER TABLE ... VALIDATE CONSTRAINT."""

    def __init__(self, constraint_name: str, table_name: str, *, schema: str | None = None) -> None:
        super().__init__(table_name, schema=schema)
        self.constraint_name = constraint_name

    @classmethod
    def validate_constraint(
        cls, operations: Operations, constraint_name: str, table_name: str, *, schema: str | None = None
    ) -> None:
        """Check the rows against a constraint that was added as NOT VALID.

        Reads and writes go on meanwhile, if it runs in a transaction after the one that added the constraint
        (SHARE UPDATE EXCLUSIVE; PostgreSQL manual, ALTER TABLE).

        Args:
            operations: given by ``op``.
            constraint_name: a foreign key or CHECK.
            table_name: its table.
            schema: the table's; the search path decides when ``None``.
        """
        operations.invoke(cls(constraint_name, table_name, schema=schema))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("validate_constraint", self.schema, self.table_name, self.constraint_name)


@Operations.register_operation("set_not_null")
class SetNotNullOp(TableOp):
    """SET NOT NULL without a long lock."""

    def __init__(self, table_name: str, column_name: str, *, schema: str | None = None) -> None:
        super().__init__(table_name, schema=schema)
        self.column_name = column_name

    @classmethod
    def set_not_null(
        cls, operations: Operations, table_name: str, column_name: str, *, schema: str | None = None
    ) -> None:
        """Make a column NOT NULL while others go on reading and writing its table.

        A CHECK is added as NOT VALID and validated, so that SET NOT NULL need not read the table (PostgreSQL
        12 and later; manual, ALTER TABLE), and dropped. The revision must say ``transactional = False``: in
        one transaction the first statement's lock would be kept through the validation.

        Args:
            operations: given by ``op``.
            table_name: the table.
            column_name: its column, which must hold no NULL.
            schema: the table's; the search path decides when ``None``.

        Raises:
            RefusedError: the column holds NULLs; nothing was done.
        """
        operations.invoke(cls(table_name, column_name, schema=schema))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return ("set_not_null", self.schema, self.table_name, self.column_name)


@Operations.register_operation("refuse_rows")
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

    @classmethod
    def refuse_rows(
        cls,
        operations: Operations,
        table_name: str,
        *,
        because: str,
        where: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Go on only if the table is empty, or holds no row of which ``where`` is true.

        As SQL it is a DO block that raises.

        Args:
            operations: given by ``op``.
            table_name: the table.
            because: what the rows would make impossible, and what to do about it.
            where: a condition in SQL; any row counts when ``None``.
            schema: the table's; the search path decides when ``None``.

        Raises:
            RefusedError: there is such a row.
        """
        operations.invoke(cls(table_name, because=because, where=where, schema=schema))

    def failure(self) -> HeadwayError:
        """What is raised when there is such a row."""
        return RefusedError(self.because)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What ``alembic check`` prints."""
        return (self.directive, self.schema, self.table_name, self.because)


@Operations.register_operation("irreversible_with_rows")
class IrreversibleWithRowsOp(RefuseRowsOp):
    """Stop a downgrade that rows make impossible."""

    directive = "irreversible_with_rows"

    @classmethod
    def irreversible_with_rows(
        cls,
        operations: Operations,
        table_name: str,
        *,
        because: str,
        where: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Go back only if the table is empty, or holds no row of which ``where`` is true.

        Its parameters are those of ``op.refuse_rows``.

        Raises:
            IrreversibleMigration: there is such a row.
        """
        operations.invoke(cls(table_name, because=because, where=where, schema=schema))

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


def _literal(value: str) -> str:
    """A string in SQL; PostgreSQL manual 4.1.2.1, with standard_conforming_strings on."""
    return "'" + value.replace("'", "''") + "'"


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
        said = _literal(operation.because)
        # RAISE takes a format; the message is its argument. PostgreSQL manual 41.9.
        raising = f"RAISE EXCEPTION '%', {said} USING ERRCODE = '{operation.sqlstate}'"
        _run(operations, f"{ROW_CHECK}{rows} THEN {raising}; END IF; END $headway$")
    elif operations.get_bind().execute(text(f"SELECT EXISTS {rows}".replace(":", r"\:"))).scalar():
        raise operation.failure()
