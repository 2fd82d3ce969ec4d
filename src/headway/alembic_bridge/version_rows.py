"""How the version table's rows get from one set to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, insert, update

if TYPE_CHECKING:
    from collections.abc import Sequence


def moves(before: Sequence[str], after: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Rows that go, each with the one that comes in its place; ``None`` where there is none."""
    gone, come = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    if len(gone) == len(come) == 1:
        return [(gone[0], come[0])]
    return [*((version, None) for version in gone), *((None, version) for version in come)]


def move(table: Table, gone: str | None, come: str | None) -> Any:
    """The statement of one move; it must change one row."""
    if gone is None:
        return insert(table).values(version_num=come)
    row = table.c.version_num == gone
    return delete(table).where(row) if come is None else update(table).values(version_num=come).where(row)


def move_in_sql(table: str, gone: str | None, come: str | None) -> tuple[str, ...]:
    """The same for a table that is quoted already, and its values for ``$1`` and ``$2``.

    Compiling it would cost more than running it.
    """
    if gone is None:
        return f"INSERT INTO {table} (version_num) VALUES ($1)", str(come)  # noqa: S608  # it is quoted
    if come is None:
        return f"DELETE FROM {table} WHERE version_num = $1", gone  # noqa: S608  # as above
    return f"UPDATE {table} SET version_num = $1 WHERE version_num = $2", come, gone  # noqa: S608  # as above
