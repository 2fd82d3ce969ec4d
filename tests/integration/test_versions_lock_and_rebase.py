"""``versions.lock`` and ``headway rebase``: what they write, what they refuse, and what they notice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from commandline import CommandLine
from headway import (
    ChangedRevisionsError,
    GraphError,
    Migrator,
    RefusedError,
    ResolutionError,
    UnknownRevisionsError,
)

if TYPE_CHECKING:
    from conftest import ProjectFolder

pytestmark = pytest.mark.asyncio

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def _lock(project: ProjectFolder) -> str:
    return (project.root / "alembic" / "versions.lock").read_text()


def _fork(project: ProjectFolder) -> None:
    project.tables("users", "notes")
    project.revision("m1", "r1", doc="mine, first")
    project.revision("m2", "m1", doc="mine, second")


async def test_two_branches_that_add_a_revision_conflict_in_the_lock(project: ProjectFolder) -> None:
    migrator = Migrator(project.ini, url=NOWHERE)
    project.tables("users")
    assert not (await migrator.check_lock()).exists
    await migrator.lock()
    common = _lock(project)
    theirs = project.revision("t1", "r1")
    await migrator.lock()
    their_lock = _lock(project)
    theirs.unlink()
    report = await migrator.revision("mine", autogenerate=False)  # keeps it up to date
    our_lock = _lock(project)
    # Both append one line after the same one, which no merge can put in order.
    for text in (their_lock, our_lock):
        assert text.startswith(common)
        assert text.removeprefix(common).count("\n") == 1
    assert str(report.revision) in our_lock
    (project.root / "alembic" / "versions.lock").write_text(
        f"{common}{'<' * 7} ours\n{our_lock.removeprefix(common)}=======\n{their_lock.removeprefix(common)}"
    )
    with pytest.raises(GraphError, match="holds a conflict of two branches") as caught:
        await migrator.check_lock()
    assert "headway rebase" in str(caught.value.hint)
    (project.root / "alembic" / "versions.lock").write_text(our_lock + their_lock.removeprefix(common))
    with pytest.raises(GraphError, match="does not follow from the lines before it"):
        await migrator.check_lock()


async def test_the_check_names_what_differs_and_comments_do_not(project: ProjectFolder) -> None:
    migrator = Migrator(project.ini, url=NOWHERE)
    project.tables("a", "b", "c", "d")
    await migrator.lock()
    path = project.versions / "r2.py"
    path.write_text("# why\n" + path.read_text())
    assert (await migrator.check_lock()).problems == ()
    path.write_text(path.read_text().replace("op.create_table('b'", "op.create_table('bb'"))
    (project.versions / "r4.py").unlink()
    other = project.versions / "r3.py"
    other.write_text(other.read_text().replace("down_revision = 'r2'", "down_revision = 'r1'"))
    project.revision("r5", "r3")
    assert (await migrator.check_lock()).problems == (
        "r2 was edited since",
        "r3 comes after r1 by its file, after r2 by the lock",
        "r5 is not in it",
        "r4 is in it, and no file holds that revision",
    )
    done = CommandLine(project.root, NOWHERE)("lock", "--check")
    assert done.returncode == 7
    assert "r2 was edited since" in done.stderr
    await migrator.lock()
    assert (await migrator.check_lock()).problems == ()


async def test_a_head_that_the_lock_holds_and_no_file_does_was_deleted_and_is_no_newer_codes(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users", "notes")
    migrator = Migrator(project.ini, url=database_url, environment="production")
    await migrator.upgrade()
    await migrator.lock()
    (project.versions / "r2.py").unlink()
    with pytest.raises(ChangedRevisionsError, match="r2 deleted: no file here holds it; applied 20"):
        async with migrator.startup("check"):
            raise AssertionError("it was let in")
    (project.root / "alembic" / "versions.lock").unlink()
    async with migrator.startup("check") as startup:  # it may be newer code's
        assert startup.report is not None
        assert startup.report.unknown == ("r2",)
    with pytest.raises(UnknownRevisionsError, match="r2 was applied 20"):
        await migrator.ensure_head()


async def test_rebase_moves_what_is_not_applied_on_top_of_what_is(
    project: ProjectFolder, database_url: str
) -> None:
    _fork(project)
    path = project.versions / "m1.py"
    text = (
        path.read_text()
        .replace('first"""', 'first\n\nRevises: r1\n"""')
        .replace("= 'r1'", '= "r1"  # théirs')
    )
    path.write_text(text, encoding="utf-8")
    migrator = Migrator(project.ini, url=database_url)
    await migrator.upgrade("r2")
    await migrator.lock()
    report = await migrator.rebase()
    assert (report.revision, report.paths) == ("m1", (path,))
    after = path.read_text(encoding="utf-8")
    assert after == text.replace('"r1"  # théirs', '"r2"  # théirs').replace("Revises: r1", "Revises: r2")
    assert [item.revision for item in await migrator.heads()] == ["m2"]
    assert (await migrator.check_lock()).problems == ()
    assert (await migrator.pending()).pending == ("m1", "m2")
    assert (await migrator.rebase()).paths == ()
    await migrator.upgrade()


async def test_rebase_refuses_what_is_applied_and_what_it_cannot_tell(
    project: ProjectFolder, database_url: str
) -> None:
    _fork(project)
    migrator = Migrator(project.ini, url=database_url)
    with pytest.raises(ResolutionError, match="cannot be told which head to move"):
        await migrator.rebase()
    await migrator.upgrade("m1")
    with pytest.raises(RefusedError, match="m1 cannot be moved: applied already"):
        await migrator.rebase("m2")
    unchanged = (project.versions / "m1.py").read_text()
    project.revision("j1", ["r2", "m2"])
    project.revision("k1", "r1")
    with pytest.raises(RefusedError, match="begins at"):
        await migrator.rebase("j1", onto="k1", ask_database=False)
    assert (project.versions / "m1.py").read_text() == unchanged
    done = await asyncio.to_thread(CommandLine(project.root, NOWHERE), "rebase", "k1", "--offline")
    assert done.returncode == 0, done.stderr
    assert "k1.py" in done.stdout
    assert "down_revision = 'j1'" in (project.versions / "k1.py").read_text()
