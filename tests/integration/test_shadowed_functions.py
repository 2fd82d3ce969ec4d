"""Functions that a stranger put in the way of ours are never called, whatever a run does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from headway import Migrator, StepFailedError

if TYPE_CHECKING:
    from conftest import ProjectFolder

# Argument types that fit a call better than those of PostgreSQL's own function do.
_DECOYS = (
    "jsonb_build_object(text, text)",
    "to_jsonb(text)",
    "set_config(text, varchar, boolean)",
    "quote_ident(varchar)",
    "quote_ident(name)",
    "format(text, name, name)",
    "concat(text, text, text)",
    "unnest(integer[])",
)


@pytest.fixture
def trapped_url(database_url: str) -> str:
    """A database whose search path finds a decoy for what is called without a schema, even for the very same
    arguments."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for decoy in _DECOYS:
            connection.execute(
                f"CREATE FUNCTION public.{decoy} RETURNS text LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'a decoy was called'; END $$".encode()
            )
    return database_url


@pytest.mark.asyncio
async def test_a_whole_run_calls_no_decoy(project: ProjectFolder, trapped_url: str) -> None:
    project.tables("a")
    stepwise = project.revision(
        "r2",
        "r1",
        upgrade="op.execute('CREATE INDEX CONCURRENTLY ix ON a (id)')\nop.execute('CREATE TABLE b()')",
        downgrade="op.execute('DROP TABLE b')\nop.execute('DROP INDEX CONCURRENTLY ix')",
    )
    source = stepwise.read_text(encoding="utf-8")
    stepwise.write_text(
        source.replace("down_revision =", "transactional = False\ndown_revision ="), encoding="utf-8"
    )
    project.revision("r3", "r2", upgrade="op.execute('SELECT 1/0')")
    migrator = Migrator(project.ini, url=trapped_url)
    await migrator.upgrade("r2")
    with pytest.raises(StepFailedError, match="division by zero"):
        await migrator.upgrade()
    await migrator.downgrade("r1")
    await migrator.stamp("r2")
    assert (await migrator.status()).current == ("r2",)
    assert (await migrator.pending()).pending == ("r3",)
    assert await migrator.verify_log() == ()
    assert (await migrator.doctor()).migratable
    assert len(await migrator.log()) > 0
