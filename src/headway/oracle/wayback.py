"""Whether a downgrade leads back: what a step and its way back leave different, told from the catalogue."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from headway.catalogue import read_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.catalogue import Catalogue, Table
    from headway.oracle.tracing import Trace

_SCHEMAS = text("""
    SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
""")


class _Enough(Exception):  # noqa: N818  # no error: it ends a transaction that is not to be kept
    """All is read that was to be."""


class _ForGoodError(Exception):
    """What comes next could not be taken back."""


def read_both_ways(
    scope: Scope, run: Callable[[], Trace], undo: RevisionCode
) -> tuple[Trace, tuple[str, ...] | None]:
    """Run a step, then try its way back in a transaction that is rolled back.

    Args:
        scope: on a scratch database.
        run: runs the step.
        undo: the way back's function; it is transactional.

    Returns:
        What ``run`` saw, and what is different behind the way back, a line each; ``None`` when that cannot be
        told, for one of the two did not run through.
    """
    connection = scope.connection
    before = _read(connection)
    found = run()
    if not found.complete:
        return found, None
    after: list[Catalogue] = []

    def write() -> None:
        after.append(_read_here(connection))
        raise _Enough

    try:
        scope.run_transaction(_Nobody(), undo.function, write)
    except _Enough:
        return found, tuple(_differences(before, after[0]))
    except Exception:  # noqa: BLE001  # a way back that fails in an empty database may yet work elsewhere
        return found, None
    finally:
        connection.rollback()
    return found, None


class _Nobody:
    """A guard that lets no autocommit_block begin: what is committed cannot be taken back."""

    def begin(self, connection: Connection) -> None:
        """Nothing to set."""

    def verify(self, connection: Connection) -> None:
        """Nothing to see to."""

    def close(self, connection: Connection) -> None:
        """Nothing to put on record."""

    def leave_transaction(self) -> None:
        """Not here."""
        raise _ForGoodError

    def autocommitting(self, connection: Connection) -> Any:
        """Never: see ``leave_transaction``."""


def _read(connection: Connection) -> Catalogue:
    with connection.begin():
        return _read_here(connection)


def _read_here(connection: Connection) -> Catalogue:
    return read_catalogue(connection, connection.scalars(_SCHEMAS).all())


def _differences(before: Catalogue, after: Catalogue) -> Iterator[str]:
    yield from _keys("table", before.tables, after.tables)
    for name in sorted(before.tables.keys() & after.tables.keys()):
        was, now = before.tables[name], after.tables[name]
        if was != now:
            yield from _of_table(_shown(name), was, now)
    yield from _keys("type", before.enums, after.enums)
    yield from _values("type", before.enums, after.enums)
    free = [{name: it for name, it in each.sequences.items() if it.owner is None} for each in (before, after)]
    yield from _keys("sequence", *free)
    yield from _values("sequence", *free)
    yield from _keys("extension", before.extensions, after.extensions)


def _of_table(table: str, was: Table, now: Table) -> Iterator[str]:
    for kind, old, new in (
        ("column", was.columns, now.columns),
        ("constraint", was.constraints, now.constraints),
        ("index", was.indexes, now.indexes),
    ):
        olds, news = _named(old), _named(new)
        suffix = f"{kind} of {table}"
        yield from _keys(suffix, olds, news)
        yield from _values(suffix, olds, news)
    if was.comment != now.comment:
        yield f"the comment on {table} is not what it was"


def _named(items: Iterable[Any]) -> dict[str, Any]:
    return {item.name: item for item in items}


def _keys(kind: str, was: Mapping[Any, Any], now: Mapping[Any, Any]) -> Iterator[str]:
    yield from (f"{kind} {_shown(name)} is missing" for name in sorted(was.keys() - now.keys()))
    yield from (f"{kind} {_shown(name)} is still there" for name in sorted(now.keys() - was.keys()))


def _values(kind: str, was: Mapping[Any, Any], now: Mapping[Any, Any]) -> Iterator[str]:
    for name in sorted(was.keys() & now.keys()):
        old, new = was[name], now[name]
        changed = [it.name for it in fields(old) if getattr(old, it.name) != getattr(new, it.name)]
        if changed:
            what = "; ".join(f"{it}: {getattr(new, it)!s}, was {getattr(old, it)!s}" for it in changed)
            yield f"{kind} {_shown(name)} differs ({what})"


def _shown(name: Any) -> str:
    if isinstance(name, str):
        return name
    schema, own = name
    return str(own) if schema == "public" else f"{schema}.{own}"
