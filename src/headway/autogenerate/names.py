"""The names of indexes and constraints: the models' own, and those that PostgreSQL would choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, PrimaryKeyConstraint, UniqueConstraint

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Table

_LONGEST = 63  # bytes: NAMEDATALEN - 1 (PostgreSQL manual, section 4.1.1)


def name_of(part: Any, dialect: Dialect) -> str | None:
    """The name that a model's index or constraint has in the database; ``None`` when the model gives none.

    Naming conventions are applied, and what is too long is cut, as SQLAlchemy does when it creates it.
    """
    if part.name is None:
        return None
    preparer = dialect.identifier_preparer
    written = preparer.format_constraint(part)
    return str(next(iter(preparer.unformat_identifiers(written)))) if written else None


def chosen_name(part: Any, table: Table, depends: frozenset[str]) -> str:
    """A name for a constraint of ``table`` that has none, in PostgreSQL's manner (``ChooseConstraintName``).

    Args:
        part: the model's constraint.
        table: the model's table.
        depends: the columns that its expression names.
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
    middle = "".join(f"_{name}" for name in columns)
    room = _LONGEST - len(f"_{suffix}".encode())
    return (table.name + middle).encode()[:room].decode(errors="ignore") + f"_{suffix}"
