"""An SQL revision's statements, sent as they are written."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import alembic.op

from headway import sqlfiles
from headway.alembic_bridge.code import RevisionCode
from headway.alembic_bridge.recording import Recorder
from headway.errors import RefusedError
from headway.results import Direction
from headway.revisions import Fault, graph_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

    from headway.sqlfiles import Place, Script
    from headway.sqltext import Statement


_STANDARD_STRINGS = "standard_conforming_strings"


def load_sql(path: Path, direction: Direction) -> RevisionCode:
    """Read an SQL revision for one direction.

    How the file that undoes is run, the other one says where it does not say so itself.

    Args:
        path: the file that applies it.
        direction: which of the two files to run.

    Raises:
        RefusedError: there is no file that undoes it.
        GraphError: a file cannot be read, or holds what cannot be run.
    """
    script = read_sql(path)
    said: dict[str, Any] = dict(script.header.timeouts)
    transactional = script.header.transactional
    if direction is Direction.DOWNGRADE:
        script = _undoing(path, transactional=transactional)
        said |= script.header.timeouts
        transactional = (
            script.header.transactional if script.header.transactional is not None else transactional
        )
    run = _Run(script, transactional=transactional is not False)
    return RevisionCode(
        run.all, transactional=transactional is not False, repeatable=True, place=run.place, **said
    )


def read_sql(path: Path, *, transactional: bool | None = None, undoes: bool = False) -> Script:
    """Read one file of an SQL revision.

    Raises:
        GraphError: it cannot be read, or holds what cannot be run; all of it is listed.
    """
    try:
        text = sqlfiles.read_text(path.read_bytes())
    except OSError as error:
        raise graph_error([Fault(path, 1, f"cannot be read: {error.strerror}")]) from None
    except ValueError as error:
        raise graph_error([Fault(path, 1, str(error))]) from None
    script, flaws = sqlfiles.read_script(text, transactional=transactional, undoes=undoes)
    faults = []
    for flaw in flaws:
        place = sqlfiles.place_of(text, flaw.offset)
        faults.append(Fault(path, place.line, flaw.message, place.column, place.excerpt))
    if faults:
        raise graph_error(faults)
    return script


def load_all_sql(steps: Iterable[tuple[Path, Direction]]) -> dict[tuple[Path, Direction], RevisionCode]:
    """Read the SQL revisions among some steps, before any of these is run; takes a second for each megabyte.

    Returns:
        What they do; empty when there are none.

    Raises:
        RefusedError: there is no file that undoes one that is to be undone.
        GraphError: a file cannot be read, or holds what cannot be run.
    """
    return {
        (path, direction): load_sql(path, direction) for path, direction in steps if path.suffix == ".sql"
    }


def _undoing(path: Path, *, transactional: bool | None) -> Script:
    undoing = sqlfiles.down_path(path)
    if not undoing.exists():
        raise RefusedError(
            f"{path.name} cannot be undone: there is no {undoing.name} beside it",
            hint="Write that file, or go back by other means: a new revision, or a backup.",
        )
    return read_sql(undoing, transactional=transactional, undoes=True)


class _Run:
    """Sends the statements one by one, and knows which is under way."""

    def __init__(self, script: Script, *, transactional: bool) -> None:
        self._script = script
        self._transactional = transactional
        self._running: Statement | None = None

    def all(self) -> None:
        """Send them all, or print them in Alembic's offline mode."""
        context: MigrationContext = alembic.op.get_context()
        if not isinstance(context.connection, Recorder | None) and not context.as_sql:
            _require_standard_strings(context.connection)
        with nullcontext() if self._transactional else context.autocommit_block():
            for statement in self._script.statements:
                self._running = statement
                _send(context, statement.text)
        self._running = None

    def place(self, position: int | None) -> Place | None:
        """Where the statement under way is in its file; ``None`` when none is.

        Args:
            position: a character of the statement, counted from 1; ``None`` is its first.
        """
        running = self._running
        if running is None:
            return None
        return sqlfiles.place_of(self._script.text, running.start + (position or 1) - 1, around=running.text)


def _require_standard_strings(connection: Connection) -> None:
    """Return when a backslash in a plain string is to the server what it is to us; asks nothing.

    Raises:
        RefusedError: the server would read on past a quote behind one (manual, section 19.13.1).
    """
    if connection.dialect.name != "postgresql":
        return  # no other has a backslash that escapes
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "get_settings"):
        reported = getattr(driver.get_settings(), _STANDARD_STRINGS, None)
    else:
        reported = driver.info.parameter_status(_STANDARD_STRINGS)  # psycopg
    if reported == "off":
        raise RefusedError(
            f"{_STANDARD_STRINGS} is off on this connection: the server would tell statements apart in "
            "another way than headway",
            hint=f"Turn it on for who migrates: ALTER ROLE ... SET {_STANDARD_STRINGS} = on.",
        )


def _send(context: MigrationContext, statement: str) -> None:
    if context.as_sql:
        context.impl.static_output(f"{statement};")
    elif context.connection is not None:
        # Not a word of it is SQLAlchemy's or the driver's to interpret: no :name, no % and no {}.
        context.connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).close()
