"""An applied revision that is edited, re-parented or deleted is noticed, and what is on record repaired."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest

from commandline import CommandLine
from headway import Alteration, ChangedRevisionsError, GraphError, Migrator, RefusedError, State
from headway.integrity import checksum

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

_COLUMN = "sa.Column('id', sa.Integer, primary_key=True)"
_ORIGIN = r"applied 20\d\d-\d\d-\d\d \d\d:\d\d UTC by \S+ \(\S+ on \S+\)"


def _edit(project: ProjectFolder) -> None:
    path = project.versions / "r2.py"
    path.write_text(path.read_text().replace(_COLUMN, f"{_COLUMN}, sa.Column('more', sa.Text)"))


def _reparent(project: ProjectFolder) -> None:
    """r2 comes first now, r1 after it, r3 stays the head."""
    for name, old, new in (("r2", "'r1'", "None"), ("r1", "None", "'r2'"), ("r3", "'r2'", "'r1'")):
        path = project.versions / f"{name}.py"
        path.write_text(path.read_text().replace(f"down_revision = {old}", f"down_revision = {new}"))


def _delete(project: ProjectFolder) -> None:
    (project.versions / "r2.py").unlink()
    path = project.versions / "r3.py"
    path.write_text(path.read_text().replace("down_revision = 'r2'", "down_revision = 'r1'"))


def _delete_and_no_more(project: ProjectFolder) -> None:
    (project.versions / "r2.py").unlink()


EDITED = (_edit, rf"r2 edited; {_ORIGIN}")
REPARENTED = (_reparent, rf"r2 re-parented: it came after r1, now nothing; {_ORIGIN}")
DELETED = (_delete, rf"r2 deleted: no file here holds it; {_ORIGIN}")
TORN = (_delete_and_no_more, rf"r2 deleted: no file here holds it; {_ORIGIN}")


@pytest.fixture
def tool(project: ProjectFolder, database_url: str) -> CommandLine:
    """Three revisions, all applied."""
    project.tables("users", "notes", "tags")
    asyncio.run(Migrator(project.ini, url=database_url).upgrade())
    return CommandLine(project.root, database_url)


@pytest.mark.parametrize(("change", "words"), [EDITED, REPARENTED, DELETED, TORN])
async def test_a_changed_revision_is_caught_by_pending_status_upgrade_the_start_and_alembic(
    tool: CommandLine,
    project: ProjectFolder,
    database_url: str,
    change: Callable[[ProjectFolder], None],
    words: str,
) -> None:
    change(project)
    for verb in ("pending", "upgrade"):
        done = tool(verb)
        assert done.returncode == 7, done.stderr
        assert re.search(words, done.stderr), done.stderr
        assert "headway repair --action" in done.stderr
    migrator = Migrator(project.ini, url=database_url, environment="production")
    with pytest.raises(ChangedRevisionsError, match=words) as caught:
        async with migrator.startup("check"):
            raise AssertionError("it was let in")
    assert "r2" in [item.revision for item in caught.value.changes]
    with pytest.raises(ChangedRevisionsError, match=words):
        await migrator.upgrade()
    with pytest.raises(ChangedRevisionsError, match=words):
        async with migrator.startup("upgrade"):
            raise AssertionError("it was let in")


async def test_re_parenting_that_makes_a_second_head_is_named_before_the_heads_are(
    tool: CommandLine, project: ProjectFolder
) -> None:
    path = project.versions / "r3.py"
    path.write_text(path.read_text().replace("down_revision = 'r2'", "down_revision = 'r1'"))
    for verb in ("pending", "upgrade"):
        done = tool(verb)
        assert done.returncode == 7, done.stderr
        assert re.search(rf"r3 re-parented: it came after r2, now r1; {_ORIGIN}", done.stderr), done.stderr


async def test_alembics_own_upgrade_and_status_notice_an_edited_revision_too(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    _edit(project)
    project.revision("r4", "r3", upgrade="op.execute('CREATE TABLE never ()')")
    ran = _alembic(project, database_url)
    assert ran.returncode != 0
    assert re.search(EDITED[1], ran.stdout + ran.stderr), ran.stderr
    done = tool("--json", "status")
    assert done.returncode == 7
    document = json.loads(done.stdout)
    assert document["state"] == "behind"
    assert [item["changes"] for item in document["changed"]] == [["edited"]]
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('never')").fetchone() == (None,)


async def test_what_is_undone_may_have_been_edited_and_is_right_when_it_is_applied_again(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    _edit(project)
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(ChangedRevisionsError):
        await migrator.downgrade("-1")  # r2 would stay
    await migrator.downgrade("r1")
    await migrator.upgrade()
    report = await migrator.pending()
    assert report.at_head
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT more FROM notes")


async def test_comments_formatting_and_labels_are_no_change(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    path = project.versions / "r2.py"
    text = path.read_text().replace("'notes'", '"notes"').replace("def upgrade", "# why\n\n\ndef upgrade")
    path.write_text(text.replace("\nrevision", "\nbranch_labels = ('shop',)\nrevision: str"))
    assert (await Migrator(project.ini, url=database_url).pending()).at_head
    assert tool("upgrade").returncode == 0


async def test_accept_records_what_is_there_now_and_lets_the_older_file_pass_as_well(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    before = (project.versions / "r2.py").read_text()
    _edit(project)
    asked = tool("repair", "--action", "accept", "--reason", "added by hand", "--environment", "production")
    assert asked.returncode == 3
    assert re.search(EDITED[1], asked.stderr)
    done = tool(
        "repair", "--action", "accept", "--reason", "added by hand", "--environment", "production", "--yes"
    )
    assert done.returncode == 0, done.stderr
    assert "accepted: r2" in done.stderr
    migrator = Migrator(project.ini, url=database_url)
    assert (await migrator.pending()).at_head
    [entry] = await migrator.log(operation=None, limit=1)
    assert (entry.operation.value, entry.revision, entry.applied) == ("repair", "r2", None)
    assert entry.description == "accepted as it is now: added by hand"
    assert await migrator.verify_log() == ()
    (project.versions / "r2.py").write_text(before)  # an older replica starts again
    assert (await migrator.pending()).at_head
    assert "nothing to repair" in tool("repair", "--action", "accept", "--reason", "once more").stderr
    assert tool("repair", "--action", "accept", "--reason", " ").returncode == 2


async def test_forget_takes_out_what_no_file_holds_and_goes_back_to_what_the_ledger_knows(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    (project.versions / "r3.py").unlink()
    pending = tool("pending")
    assert pending.returncode == 7
    assert re.search(rf"r3 was {_ORIGIN}", pending.stderr), pending.stderr
    migrator = Migrator(project.ini, url=database_url, environment="production")
    with pytest.raises(RefusedError, match="its file is here"):
        await migrator.repair("forget", "r2", reason="it is not gone")
    report = await migrator.repair("forget", reason="never merged")
    assert (report.before, report.after, report.revisions) == (("r3",), ("r2",), ("r3",))
    assert (await migrator.pending()).at_head
    assert await migrator.unrecorded() == ()
    [entry] = await migrator.log(limit=1)
    assert (entry.revision, entry.applied, entry.description) == ("r3", False, "forgotten: never merged")


async def test_forget_and_accept_bring_a_history_with_a_gap_back_to_head(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    _delete(project)
    migrator = Migrator(project.ini, url=database_url)
    found = (await migrator.pending()).changed
    assert [(item.revision, item.changes) for item in found] == [
        ("r3", (Alteration.REPARENTED,)),
        ("r2", (Alteration.DELETED,)),
    ]
    assert (await migrator.repair("forget", reason="squashed")).revisions == ("r2",)
    assert (await migrator.repair("accept", reason="squashed")).revisions == ("r3",)
    assert (await migrator.pending()).at_head
    await migrator.ensure_head()
    assert await migrator.unrecorded() == ()


async def test_what_alembic_applied_before_is_watched_from_the_first_run_on(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users", "notes")
    project.revision("r3", "r2")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.stamp("r2")
    with psycopg.connect(database_url) as connection:  # as if plain Alembic had applied both
        connection.execute("DROP TABLE migration_history CASCADE")
    assert (await migrator.pending()).changed == ()
    await migrator.upgrade()
    _edit(project)
    report = await migrator.pending()
    assert [item.revision for item in report.changed] == ["r2"]
    with pytest.raises(ChangedRevisionsError, match="r2 edited; found applied 20"):
        await migrator.ensure_head()


async def test_a_row_of_an_older_headway_is_compared_by_its_own_kind(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    old = {name: checksum((project.versions / f"{name}.py").read_bytes()) for name in ("r1", "r2")}
    with psycopg.connect(database_url) as connection:
        for name, value in old.items():
            connection.execute(
                "UPDATE migration_history SET checksum = %s WHERE revision = %s", (value, name)
            )
        connection.execute("UPDATE migration_history SET checksum = NULL WHERE revision = 'r3'")
    migrator = Migrator(project.ini, url=database_url)
    assert (await migrator.pending()).at_head
    _reparent(project)
    found = (await migrator.pending()).changed
    # Of an old checksum it can only be told that it differs; of none, nothing.
    assert {(item.revision, item.changes) for item in found} == {
        ("r1", (Alteration.EDITED,)),
        ("r2", (Alteration.EDITED,)),
    }


async def test_a_role_that_may_not_read_the_ledger_is_told_what_the_version_table_says(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    _edit(project)
    role = "onlooker_" + os.urandom(4).hex()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'".encode())
        connection.execute(f"GRANT SELECT ON alembic_version TO {role}".encode())
        try:
            options = f"-c role={role}"
            migrator = Migrator(project.ini, url=_with_options(database_url, options))
            report = await migrator.pending()
            assert (report.state, report.changed) == (State.AT_HEAD, ())
        finally:
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())


def _alembic(project: ProjectFolder, database_url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=project.root,
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _with_options(url: str, options: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options={quote(options)}"


async def test_a_graph_that_lacks_what_was_never_applied_stays_a_fault_of_the_files(
    tool: CommandLine, project: ProjectFolder, database_url: str
) -> None:
    project.revision("r5", "r4")
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(GraphError) as caught:
        await migrator.pending()
    assert caught.value.missing == ("r4",)
