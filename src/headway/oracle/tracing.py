"""Run a step in a scratch database as the engine would, and watch every statement of it.

A transactional step runs in one transaction; what an ``autocommit_block`` or ``transactional = False`` has
committed by itself runs in a transaction of ours each, unless it cannot. What fails there for want of rows is
left out, and the step is run again without it.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from headway.oracle.witness import StatementFailedError, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from headway.alembic_bridge import RevisionCode, Scope
    from headway.planning import Step
    from headway.results import StatementReview

_MOST_FAILURES = 25
"""How many statements of a step may fail before the rest of it is given up."""

# A timestamp becomes a timestamptz in place only where the session's zone is UTC (tablecmds.c,
# ATColumnChangeRequiresRewrite). Nobody knows of every database, so here it is another one: an hour east.
_NOT_UTC = text("SELECT pg_catalog.set_config('TimeZone', '<+01>-01', false)")


@dataclass(frozen=True, slots=True)
class Trace:
    """What a step did in the scratch database.

    Attributes:
        statements: in order, watched, up to where it ended.
        unseen: why it ended early; ``None`` when it ran to its end.
        complete: whether everything it makes is there now, so that what comes after finds it.
    """

    statements: tuple[StatementReview, ...]
    unseen: str | None = None
    complete: bool = True


def trace(scope: Scope, code: RevisionCode, step: Step) -> Trace:
    """Run a step and write its version, whatever becomes of it: what comes after is to be watched as well.

    Args:
        scope: on a scratch database that stands where the step begins.
        code: the step's function.
        step: the step.
    """
    witness = Witness(code, step.path)
    with scope.connection.begin():
        scope.connection.execute(_NOT_UTC)
    for _ in range(_MOST_FAILURES):
        try:
            _run(scope, code, witness, partial(scope.write_step, step))
        except StatementFailedError:
            continue
        except Exception as error:  # noqa: BLE001  # whatever its COMMIT raises: it is the step's own
            witness.stop(error)
            break
        else:
            return Trace(_numbered(witness), witness.stopped, complete=witness.whole)
    _write_only(scope, step)
    unseen = witness.stopped or f"more than {_MOST_FAILURES} of its statements fail in an empty database"
    return Trace(_numbered(witness), unseen, complete=False)


def _run(scope: Scope, code: RevisionCode, witness: Witness, write: Callable[[], None]) -> None:
    connection = scope.connection

    def migrate() -> None:
        with witness.listening(connection):
            witness.call(code.function)

    if code.transactional:
        scope.run_transaction(witness, migrate, write)
        return
    with _autocommit(connection), scope.routed_in_autocommit(), witness.autocommitting(connection):
        migrate()
    with connection.begin():
        write()


@contextmanager
def _autocommit(connection: Connection) -> Iterator[None]:
    level = connection.get_isolation_level()
    connection.rollback()
    connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        yield
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=level)


def _write_only(scope: Scope, step: Step) -> None:
    with suppress(SQLAlchemyError):
        scope.connection.rollback()
    with scope.connection.begin():
        scope.write_step(step)


def _numbered(witness: Witness) -> tuple[StatementReview, ...]:
    return tuple(replace(review, position=number) for number, review in enumerate(witness.reviews(), start=1))
