"""A check that a revision keeps the rows that may be there when it is applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.alembic_bridge import losses_of
from headway.errors import RefusedError, StepFailedError
from headway.results import Loss
from headway.testing.checks.failure import CheckFailedError, NotApplicableError
from headway.testing.checks.files import declared, dropped_by_name
from headway.testing.checks.subject import Subject, told
from headway.testing.rows import Filling, Kept, fill, keep, read_tables
from headway.threads import in_thread

if TYPE_CHECKING:
    from headway.migrator import Migrator
    from headway.planning import Plan, Step

_OF_ROWS = ("22", "23")
"""SQLSTATE classes that rows are to blame for: data exception, integrity constraint violation."""


async def rows_preserved(migrator: Migrator, revision: str) -> Filling:
    """Fill every table as it is before a revision, apply the revision, and look for every row and value.

    Tables and columns that the revision drops in plain sight are given up with it. Anything else that it
    takes away must stand under a comment in ``upgrade()`` that begins with ``destructive:``. One that begins
    with ``assumes:`` says why rows that the revision refuses cannot be there.

    Args:
        migrator: on a database that is empty or at an earlier revision; what the revision needs is applied
            first. At the end the database holds the revision.
        revision: its id.

    Returns:
        What the tables were filled with, and which could not be, and why.

    Raises:
        CheckFailedError: the revision cannot be applied over these rows, or takes rows or values away.
        NotApplicableError: it says why they are not there, or looks at them and refuses.
        StepFailedError: an earlier revision cannot be applied.
    """
    subject = await Subject.of(migrator)
    there = await subject.reach(revision)
    async with subject.connection() as connection:
        filling = await fill(connection, await read_tables(connection, subject.bookkeeping))
    before = await _kept(subject)
    await _apply(migrator, there)
    [step] = there.steps
    if declared(step.path, "destructive") is not None:
        return filling
    lost = before.lost(await _kept(subject), await in_thread(lambda: _in_plain_sight(subject, step)))
    if lost:
        raise CheckFailedError(
            "rows_preserved",
            f"upgrade of {revision} loses data without saying so:",
            lost,
            hint="If that is meant, write `# destructive: …` above it, with what is lost; "
            "else copy the data before the old place goes.",
        )
    return filling


def _in_plain_sight(subject: Subject, step: Step) -> list[Loss]:
    """What the step's SQL drops, and what its file does where the SQL cannot be written beforehand."""
    by_name = [
        Loss(step.revision, "table" if len(names) == 1 else "column", ".".join(f'"{name}"' for name in names))
        for names in dropped_by_name(step.path)
    ]
    return [*losses_of(subject.alembic, step), *by_name]


async def _kept(subject: Subject) -> Kept:
    # A connection of its own each time: a prepared statement does not outlive a change of the types it names.
    async with subject.connection() as connection:
        return await keep(connection, await read_tables(connection, subject.bookkeeping))


async def _apply(migrator: Migrator, there: Plan) -> None:
    try:
        await migrator.upgrade(there)
    except StepFailedError as error:
        assumed = declared(error.path, "assumes") if error.path else None
        if assumed is not None:
            raise NotApplicableError(f"{error.revision} assumes: {assumed}") from None
        if type(error.__cause__) is RefusedError:  # it has looked, and will not go over them
            raise NotApplicableError(f"{error.revision} refuses: {error.__cause__.message}") from None
        if (error.sqlstate or "")[:2] not in _OF_ROWS:
            raise CheckFailedError(
                "rows_preserved",
                f"revision {error.revision} cannot be applied:",
                told(error),
                hint="Mend its upgrade(). headway::upgrade_downgrade tells whether it fails without rows.",
            ) from error
        raise CheckFailedError(
            "rows_preserved",
            f"revision {error.revision} cannot be applied over rows that were valid before it:",
            told(error),
            hint="Let it correct such rows first; or write a comment `# assumes: …` into upgrade() that says "
            "why there are none.",
        ) from error
