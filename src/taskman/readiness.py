"""Whether the database is what this code needs."""

import logging

from headway import HeadwayError, Migrator

logger = logging.getLogger("taskman")


async def shortcoming(migrations: Migrator) -> str | None:
    """What keeps the application from its work, in words; ``None`` when nothing does.

    A database that is ahead will do: while a new version of the code is rolled out, its migrations have
    run and the replicas of the old version must go on answering.

    Args:
        migrations: of the application's database; one connection is opened for the question.
    """
    try:
        report = await migrations.pending()
    except HeadwayError as error:
        logger.warning("taskman: the database cannot be asked where it stands: %s", error)
        return "The database cannot be asked where it stands; the log says why."
    if not report.pending:
        return None
    return f"The database is {report.state.value}, {', '.join(report.pending)} missing: run `make migrate`."
