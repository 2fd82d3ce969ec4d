"""The names of indexes and constraints: the models' own, and those that PostgreSQL would choose."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.sql.elements import conv, quoted_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from alembic.operations import MigrateOperation
    from sqlalchemy import Dialect, Table

_WRITTEN = frozenset({str, quoted_name, conv})
"""Names that are what they say, unless they are too long."""
_LONGEST = 63  # bytes: NAMEDATALEN - 1 (PostgreSQL manual, section 4.1.1)


def name_of(part: Any, dialect: Dialect) -> str | None:
    """The name that a model's index or constraint has in the database; ``None`` when the model gives none.

    Naming conventions are applied, and what is too long is cut, as SQLAlchemy does when it creates it.
    """
    if part.name is None:
        return None
    if type(part.name) in _WRITTEN and len(part.name.encode()) <= _LONGEST:
        return str(part.name)
    preparer = dialect.identifier_preparer
    written = preparer.format_constraint(part)
    return str(next(iter(preparer.unformat_identifiers(written)))) if written else None


def chosen_name(part: Any, table: Table, depends: frozenset[str], taken: Collection[str]) -> str:
    """A name for a constraint of ``table`` that has none, in PostgreSQL's manner (``ChooseConstraintName``).

    Args:
        part: the model's constraint.
        table: the model's table.
        depends: the columns that its expression names.
        taken: names that it cannot have; it is numbered until its name is none of them.
    """
    check = isinstance(part, CheckConstraint)
    if isinstance(part, PrimaryKeyConstraint):
        columns, suffix = [], "pkey"
    elif isinstance(part, UniqueConstraint):
        columns, suffix = [column.name for column in part.columns], "key"
    else:
        # A check over several columns is named after the table alone.
        named = sorted(depends)
        columns, suffix = (named if len(named) == 1 or not check else []), ("check" if check else "excl")
    words = [table.name, *columns]
    names = (_joined(words, f"{suffix}{number or ''}") for number in count())
    return next(name for name in names if name not in taken)


def name_foreign_keys(operations: Iterable[MigrateOperation]) -> None:
    """Name the foreign keys to add that have no name, as PostgreSQL would: a downgrade must name them."""
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            name_foreign_keys(operation.ops)
        elif isinstance(operation, ops.CreateForeignKeyOp) and operation.constraint_name is None:
            operation.constraint_name = _joined([operation.source_table, *operation.local_cols], "fkey")


def _joined(words: list[str], suffix: str) -> str:
    room = _LONGEST - len(f"_{suffix}".encode())
    return "_".join(words).encode()[:room].decode(errors="ignore") + f"_{suffix}"
