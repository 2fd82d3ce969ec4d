"""Checks that run revisions on a database of their own and compare its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.errors import StepFailedError
from headway.testing.checks.failure import CheckFailedError, NotApplicableError
from headway.testing.checks.subject import Subject, told, undoing, why_irreversible

if TYPE_CHECKING:
    from headway.migrator import Migrator
    from headway.planning import Plan
    from headway.testing.picture import Picture


async def upgrade_downgrade(migrator: Migrator, revision: str) -> None:
    """Apply one revision, undo it and apply it again; the schema is compared at every stop.

    Args:
        migrator: on a database that is empty or at an earlier revision; what the revision needs is applied
            first. At the end the database holds the revision.
        revision: its id.

    Raises:
        CheckFailedError: undoing it does not lead back, or applying it again leads elsewhere.
        NotApplicableError: its ``downgrade`` says by an exception that it cannot be undone.
        StepFailedError: it cannot be applied.
    """
    subject = await Subject.of(migrator)
    there = await subject.reach(revision)
    before = await subject.picture()
    await migrator.upgrade(there)
    after = await subject.picture()
    await _undo(migrator, undoing(there), "upgrade_downgrade")
    undone = f"after downgrade of {revision} the schema is not what it was before its upgrade:"
    await _compare(subject, before, "upgrade_downgrade", undone)
    await migrator.upgrade(there)
    again = f"the second upgrade of {revision} makes another schema than the first:"
    await _compare(subject, after, "upgrade_downgrade", again)


async def whole_history(migrator: Migrator) -> None:
    """Apply everything, undo everything, and apply everything again.

    Args:
        migrator: on an empty database.

    Raises:
        CheckFailedError: what is left at base is not what was there at first, or the second way up leads
            elsewhere.
        NotApplicableError: a revision says that it cannot be undone.
        StepFailedError: a revision cannot be applied.
    """
    subject = await Subject.of(migrator)
    empty = await subject.picture()
    await migrator.upgrade("heads")
    full = await subject.picture()
    await _undo(migrator, "base", "whole_history")
    await _compare(subject, empty, "whole_history", "at base the schema is not what it was at first:")
    await migrator.upgrade("heads")
    again = "the second upgrade from base to head makes another schema than the first:"
    await _compare(subject, full, "whole_history", again)


async def models_match(migrator: Migrator) -> None:
    """The models hold nothing that no revision makes, and the reverse.

    Args:
        migrator: on a database of the check's own; it is brought to head first.

    Raises:
        CheckFailedError: there are differences.
        NotApplicableError: env.py hands over no metadata.
    """
    subject = await Subject.of(migrator)
    if subject.alembic.options.target_metadata is None:
        raise NotApplicableError("env.py hands over no metadata: there are no models to compare with")
    await migrator.upgrade("heads")
    report = await migrator.check()
    if report.differences:
        raise CheckFailedError(
            "models_match",
            "the models and the migrations disagree:",
            [str(difference) for difference in report.differences],
            hint="`headway revision --autogenerate -m …` writes the revision that is missing; "
            "where a revision is right and the models are not, change the models.",
        )


async def _undo(migrator: Migrator, target: Plan | str, check: str) -> None:
    try:
        await migrator.downgrade(target)
    except StepFailedError as error:
        reason = why_irreversible(error)
        if reason is not None:
            raise NotApplicableError(f"{error.revision} cannot be undone: {reason}") from None
        raise CheckFailedError(
            check,
            f"revision {error.revision} cannot be undone:",
            told(error),
            hint=f"Mend its downgrade(); if it cannot be undone, let it raise and say why ({error.path}).",
        ) from error


async def _compare(subject: Subject, wanted: Picture, check: str, message: str) -> None:
    differences = (await subject.picture()).differences(wanted)
    if differences:
        raise CheckFailedError(
            check,
            message,
            differences,
            hint="Let downgrade() undo all that upgrade() does, and nothing else.",
        )
