"""Strings of several statements: ``op.execute("CREATE …; INSERT …;")``.

psycopg sends such a string as it is, and histories written with it are full of them; asyncpg prepares what
it sends, and PostgreSQL prepares one statement at a time (manual, 54.2.3, "Extended Query"). So each is sent
by itself, in order, on every driver: what fails is then named, and in a revision that is not transactional
each has its own line in the journal. What goes to ``exec_driver_sql`` stays as it is: it is the driver's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, event, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from headway.sqltext import split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect
    from sqlalchemy.engine import Connection

# Of all dialects for PostgreSQL the one that leaves a per cent sign in a text as it is.
_PLAIN: Dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped


@contextmanager
def sent_one_by_one(connection: Connection) -> Iterator[None]:
    """Within the block, text that holds several statements and no parameters is sent statement by statement.

    The result is the last statement's. Text whose statements cannot be told apart is sent as it is, and the
    server says what is wrong with it.
    """

    def send_all_but_last(
        _: Connection, clause: Any, many: Any, parameters: Any, options: Any
    ) -> tuple[Any, Any, Any]:
        if not many and not parameters:
            clause = _last_of(connection, clause, options)
        return clause, many, parameters

    if connection.dialect.name != "postgresql":
        yield  # elsewhere a semicolon may be inside of a statement, as in a trigger of SQLite's
        return
    event.listen(connection, "before_execute", send_all_but_last, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_execute", send_all_but_last)


def _last_of(connection: Connection, clause: Any, options: Any) -> Any:
    if isinstance(clause, TextClause) and not clause.compile(dialect=_PLAIN).params:
        pieces = _statements(str(clause.compile(dialect=_PLAIN)))
        for piece in pieces[:-1]:
            connection.execute(_as_text(piece), execution_options=options)
        return _as_text(pieces[-1]) if pieces else clause
    return clause


def _statements(sql: str) -> list[str]:
    """The statements of a text that holds several, else none."""
    if ";" not in sql.rstrip("; \t\r\n"):
        return []
    statements, flaws = split(sql)
    return [] if flaws or len(statements) == 1 else [statement.text for statement in statements]


def _as_text(sql: str) -> TextClause:
    """Text in which no colon begins a parameter."""
    return text(sql.replace(":", r"\:"))
