"""``headway lint``: which revisions it examines, what it says of them, and how it ends."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from commandline import CommandLine
from headway import ConfigurationError, Direction, Effort, LockMode, Migrator, RefusedError, ResolutionError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ProjectFolder
    from headway import LintReport


UNREACHABLE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def history(project: ProjectFolder) -> ProjectFolder:
    """r1 makes a table, r2 hurts, r3 reads what is not there, r4 goes on behind it."""
    project.revision(
        "r1",
        upgrade="op.execute('CREATE TABLE users (id integer PRIMARY KEY, n integer)')",
        downgrade="op.drop_table('users')",
    )
    project.revision(
        "r2",
        "r1",
        upgrade="op.create_index('ix', 'users', ['n'])\nop.alter_column('users', 'n', nullable=False)",
        downgrade="op.drop_index('ix')",
    )
    project.revision(
        "r3",
        "r2",
        upgrade="op.add_column('users', sa.Column('kind', sa.Text))\n"
        "op.get_bind().exec_driver_sql('SELECT id FROM users').one()",
        downgrade="op.drop_column('users', 'kind')",
    )
    project.revision(
        "r4",
        "r3",
        upgrade="op.drop_column('users', 'kind')",
        downgrade="op.add_column('users', sa.Column('kind', sa.Text))",
    )
    return project


def linted(history: ProjectFolder, span: str | None = None, **how: object) -> LintReport:
    async def run() -> LintReport:
        async with Migrator(history.ini) as migrator:
            return await migrator.lint(span, **how)  # type: ignore[arg-type]  # each test gives what fits

    return asyncio.run(run())


def examined(report: LintReport) -> list[str]:
    return [step.revision for step in report.steps]


def test_every_statement_is_watched_where_it_stands_in_its_file(
    history: ProjectFolder, server_url: str
) -> None:
    report = linted(history, scratch=server_url)
    assert examined(report) == ["r1", "r2", "r3", "r4"]
    assert report.oracle is not None
    assert report.oracle.startswith("PostgreSQL ")
    assert report.unwatched is None
    (made,) = report.steps[0].statements
    assert (made.locks, made.effort) == ((), Effort.METADATA)
    index, not_null = report.steps[1].statements
    lines = (history.versions / "r2.py").read_text().splitlines()
    assert [lines[(it.line or 0) - 1].strip()[:12] for it in (index, not_null)] == [
        "op.create_in",
        "op.alter_col",
    ]
    assert (index.strongest, index.scanned, index.traced) == (LockMode.SHARE, ("users",), True)
    assert (not_null.strongest, not_null.effort) == (LockMode.ACCESS_EXCLUSIVE, Effort.SCAN)
    rules = {finding.rule for finding in report.steps[1].findings}
    assert {"index-not-concurrent", "not-null-scan"} <= rules
    assert report.failed


def test_what_reads_rows_ends_early_and_what_it_made_is_there_all_the_same(
    history: ProjectFolder, server_url: str
) -> None:
    *_, reads, last = linted(history, scratch=server_url).steps
    assert reads.unseen is not None
    assert "NoResultFound" in reads.unseen
    assert reads.statements[0].traced
    assert last.unseen is None
    assert [it.error for it in last.statements] == [None]


def test_what_is_replayed_before_the_range_may_read_rows_too(history: ProjectFolder, server_url: str) -> None:
    (last,) = linted(history, "r3:r4", scratch=server_url).steps
    assert [(it.traced, it.strongest) for it in last.statements] == [(True, LockMode.ACCESS_EXCLUSIVE)]


def test_a_downgrade_that_does_not_lead_back_is_told_from_the_catalogue(
    history: ProjectFolder, server_url: str
) -> None:
    report = linted(history, "r1:r2", scratch=server_url)
    assert examined(report) == ["r2"]
    untrue = [it.hazard for it in report.findings if it.rule == "downgrade-untrue"]
    assert len(untrue) == 1
    assert "column of users n differs" in untrue[0]


def test_without_a_server_the_text_alone_is_judged(history: ProjectFolder) -> None:
    report = linted(history, scratch=None)
    assert report.oracle is None
    assert report.unwatched == "no scratch database was asked for"
    assert not any(it.traced for step in report.steps for it in step.statements)
    assert {"index-not-concurrent"} <= {it.rule for it in report.findings}


def test_files_say_which_revisions(history: ProjectFolder) -> None:
    report = linted(history, files=[history.versions / "r2.py"], scratch=None)
    assert examined(report) == ["r2"]
    with pytest.raises(ResolutionError, match="of no revision"):
        linted(history, files=[history.ini], scratch=None)


def test_git_says_which_revisions_a_branch_brings(history: ProjectFolder) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=history.root,
            check=True,
            capture_output=True,
        )

    git("init", "-q")
    git("add", "alembic/versions/r1.py", "alembic/versions/r2.py", "alembic/versions/r3.py")
    git("commit", "-qm", "one")
    first = history.versions / "r1.py"
    first.write_text(first.read_text() + "# changed\n")
    assert examined(linted(history, git_base="HEAD", scratch=None)) == ["r1", "r4"]
    git("add", ".")
    git("commit", "-qm", "two")
    assert examined(linted(history, git_base="HEAD", scratch=None)) == []
    with pytest.raises(ConfigurationError, match="git knows no commit 'nowhere'"):
        linted(history, git_base="nowhere", scratch=None)
    with pytest.raises(ConfigurationError, match="--git-base"):
        linted(history, git_base="--output=x", scratch=None)


def test_a_database_that_is_a_file_is_refused(history: ProjectFolder, tmp_path: Path) -> None:
    async def run() -> None:
        async with Migrator(history.ini, url=f"sqlite+aiosqlite:///{tmp_path}/a.db") as migrator:
            await migrator.lint(scratch=None)

    with pytest.raises(RefusedError, match="SQLite"):
        asyncio.run(run())


def test_a_plan_that_goes_back_is_watched_as_well(
    history: ProjectFolder, database_url: str, server_url: str
) -> None:
    async def run() -> LintReport:
        async with Migrator(history.ini, url=database_url) as migrator:
            await migrator.upgrade("r2")
            plan = await migrator.plan("base", direction=Direction.DOWNGRADE)
            return await migrator.review(plan, scratch=server_url)

    back, first = asyncio.run(run()).steps
    assert [(it.strongest, it.sql.split()[:2]) for it in back.statements] == [
        (LockMode.ACCESS_EXCLUSIVE, ["DROP", "INDEX"])
    ]
    assert [it.sql for it in first.statements] == ["DROP TABLE users"]
    assert [loss.what for loss in first.losses] == ["users"]


def test_the_verb_ends_with_6_at_the_level_that_was_asked_for(history: ProjectFolder) -> None:
    headway = CommandLine(history.root, UNREACHABLE)
    told = headway("lint", "--no-scratch", "base:r2")
    assert told.returncode == 6
    assert "index-not-concurrent" in told.stdout
    assert "or keep: # headway: allow index-not-concurrent" in told.stdout
    assert "PostgreSQL was not asked (no scratch database was asked for)" in told.stderr
    assert headway("lint", "--no-scratch", "base:r2", "--fail-on", "off").returncode == 0
    document = json.loads(headway("lint", "--no-scratch", "--json", "r1:r2").stdout)
    assert document["steps"][0]["revision"] == "r2"
    assert document["failed"] is True
    written = history.root / "lint.sarif"
    assert headway("lint", "--no-scratch", "--format", "sarif", "-o", str(written)).returncode == 6
    assert json.loads(written.read_text())["version"] == "2.1.0"


def test_fix_rewrites_what_is_mechanical_and_says_so(project: ProjectFolder) -> None:
    project.tables("users")
    file = project.revision(
        "r2", "r1", upgrade="op.create_index('ix', 'users', ['id'])", downgrade="op.drop_index('ix')"
    )
    headway = CommandLine(project.root, UNREACHABLE)
    told = headway("lint", "--no-scratch", "--fix", str(file))
    assert "r2.py" in told.stderr
    assert "postgresql_concurrently=True" in file.read_text()
    assert "index-not-concurrent" not in told.stdout


def test_fix_leaves_alone_what_the_configured_database_has_applied(
    project: ProjectFolder, database_url: str
) -> None:
    project.tables("users")
    body = "op.create_index('ix{0}', 'users', ['id'])"
    applied = project.revision("r2", "r1", upgrade=body.format(2), downgrade="op.drop_index('ix2')")
    before = applied.read_text()

    async def run() -> list[Path]:
        async with Migrator(project.ini, url=database_url) as migrator:
            await migrator.upgrade()
        project.revision("r3", "r2", upgrade=body.format(3), downgrade="op.drop_index('ix3')")
        async with Migrator(project.ini, url=database_url) as migrator:
            return [path for path, _ in await migrator.mend(await migrator.lint(scratch=None))]

    assert {path.name for path in asyncio.run(run())} == {"r3.py"}
    assert applied.read_text() == before


def test_without_an_embedded_server_the_report_says_why_nobody_was_watched(
    history: ProjectFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADWAY_POSTGRES_BIN", str(tmp_path))
    report = linted(history, "r1:r2")
    assert report.oracle is None
    assert report.unwatched is not None
    assert str(tmp_path) in report.unwatched
    assert "index-not-concurrent" in {it.rule for it in report.findings}
