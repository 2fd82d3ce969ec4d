"""A process that only asks whether a database is at head: told by an earlier verdict, never by an old one."""

from __future__ import annotations

import subprocess
import sys
from inspect import isawaitable
from typing import TYPE_CHECKING

import asyncpg
import pytest
from test_pending_on_an_engine import CHANGES, Change, execute

from headway import KnownAtHead, Migrator, known_at_head, verdict
from headway.cli import main, shortcut
from headway.revisions import reading
from tcpproxy import TcpProxy

if TYPE_CHECKING:
    from conftest import ProjectFolder


@pytest.fixture(autouse=True)
def _verdicts_are_kept(monkeypatch: pytest.MonkeyPatch, project: ProjectFolder) -> None:
    # A file is trusted once it is 2 s old; those of a test are younger, and are changed in size as well.
    monkeypatch.setattr(verdict, "SETTLED_NS", -(10**15))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    project.tables("users", "notes")


async def known(project: ProjectFolder, url: str) -> KnownAtHead | None:
    migrator = Migrator(project.ini, url=url)
    return await known_at_head(migrator.project, migrator.settings)


async def upgraded(project: ProjectFolder, url: str) -> Migrator:
    migrator = Migrator(project.ini, url=url)
    await migrator.upgrade()
    return migrator


@pytest.mark.asyncio
async def test_what_a_probe_has_found_is_known_at_the_price_of_a_connection_and_a_question(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrator = await upgraded(project, database_url)
    assert await known(project, database_url) is None
    report = await migrator.pending()
    monkeypatch.setattr(reading, "_read_file", None)
    with TcpProxy(database_url) as proxy:
        told = await known(project, proxy.url)
        connection = await asyncpg.connect(proxy.url)
        await connection.fetchrow("SELECT $1::text, $2::text", "two", "arguments")
        await connection.close()
        assert proxy.turns[0] == proxy.turns[1]
    assert told is not None
    assert (told.rows, told.heads) == (report.current, report.heads)


MORE_CHANGES: tuple[Change, ...] = (
    lambda _, __, url: execute(url, "UPDATE alembic_version SET version_num = 'r2 '"),
    lambda _, __, url: execute(url, "INSERT INTO alembic_version VALUES ('')"),
    lambda _, __, url: execute(url, "DELETE FROM alembic_version"),
    lambda _, __, url: execute(url, "UPDATE migration_history SET checksum = '2:a:b:' WHERE revision = 'r2'"),
    lambda project, *_: (project.root / "alembic" / "versions.lock").write_text("no lock at all\n"),
    lambda project, *_: (project.versions / "r0.sql").write_text("-- parent: r2\n"),
    lambda project, *_: (project.versions / "link.py").symlink_to(project.versions / "r1.py"),
    lambda project, *_: project.env("version_table='elsewhere'"),
)


@pytest.mark.asyncio
async def test_whatever_changes_is_known_as_one_tells_it_who_remembers_nothing(
    project: ProjectFolder, database_url: str
) -> None:
    other = await upgraded(project, database_url)
    for change, *_ in CHANGES:
        before = await other.pending()
        assert (await known(project, database_url) is not None) == before.at_head
        done = change(project, other, database_url)
        if isawaitable(done):
            await done
        told, asked = await known(project, database_url), await other.pending()
        assert told is None or (asked.at_head and told == (asked.database, asked.current, asked.heads))


@pytest.mark.asyncio
@pytest.mark.parametrize("change", MORE_CHANGES)
async def test_what_could_change_the_answer_otherwise_is_judged_anew(
    project: ProjectFolder, database_url: str, change: Change
) -> None:
    migrator = await upgraded(project, database_url)
    await migrator.pending()
    assert await known(project, database_url) is not None
    change(project, migrator, database_url)
    assert await known(project, database_url) is None


@pytest.mark.asyncio
async def test_a_revision_that_stopped_half_way_is_not_overlooked(
    project: ProjectFolder, database_url: str
) -> None:
    migrator = await upgraded(project, database_url)
    await migrator.pending()
    execute(
        database_url,
        "INSERT INTO migration_history SELECT (jsonb_populate_record(entry, '"
        '{"id": 1000, "revision": "x", "outcome": "failed", "journal": [{}]}'
        "')).* FROM migration_history AS entry LIMIT 1",
    )
    assert await known(project, database_url) is None
    assert (await migrator.pending()).dirty == "x"


@pytest.mark.asyncio
async def test_who_may_not_read_the_ledger_has_a_verdict_and_nobody_else_trusts_it(
    project: ProjectFolder, database_url: str
) -> None:
    await upgraded(project, database_url)
    role = f"probe_{Migrator(project.ini, url=database_url).project.root.name}_{id(project)}".lower()[:60]
    execute(database_url, f'CREATE ROLE "{role}" LOGIN', f'GRANT SELECT ON alembic_version TO "{role}"')
    theirs = f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20role%3D{role}"
    try:
        await Migrator(project.ini, url=theirs).pending()
        assert await known(project, theirs) is not None
        assert await known(project, database_url) is None
        execute(database_url, f'GRANT SELECT (id) ON migration_history TO "{role}"')
        assert await known(project, theirs) is None
    finally:
        execute(database_url, f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"')


def outcome(words: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(words)
    return code, *capfd.readouterr()


@pytest.mark.parametrize("flags", [[], ["-q"], ["--json"], ["--json", "--quiet"]])
def test_the_command_line_says_what_it_says_the_long_way(
    project: ProjectFolder,
    database_url: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    where = ["--config", str(project.ini)]
    assert main(["upgrade", *where]) == 0
    capfd.readouterr()
    long_way = outcome(["pending", *where, *flags], capfd)
    assert shortcut.taken(["pending", *where, "-q"]) == 0
    assert outcome([*flags, "pending", *where], capfd) == long_way
    monkeypatch.setattr(shortcut, "taken", lambda _: None)
    assert outcome(["pending", *where, *flags], capfd) == long_way


def test_a_known_answer_loads_neither_the_command_line_nor_what_reads_revisions(
    project: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    words = ["pending", "-c", str(project.ini), "-q"]
    assert main(["upgrade", *words[1:]]) == main(words) == 0
    program = f"""if True:
        import gc, sys
        from headway.cli import main
        assert main({words!r}) == 0
        unneeded = "click anyio headway.revisions headway.migrator headway.target headway.project.envfile"
        print(*sorted({{*unneeded.split()}} & {{*sys.modules}}))
        assert gc.isenabled()
    """
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == []


def test_a_server_that_does_not_answer_is_told_of_as_the_long_way_does(
    project: ProjectFolder,
    database_url: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    where = ["-c", str(project.root)]
    assert main(["upgrade", *where]) == main(["pending", *where]) == 0
    capfd.readouterr()
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@127.0.0.1:9/x")
    short = outcome(["pending", *where], capfd)
    monkeypatch.setattr(shortcut, "taken", lambda _: None)
    assert short == outcome(["pending", *where], capfd)
    assert short[0] == 1
    assert "s3cret" not in short[2]


@pytest.mark.parametrize(
    "words",
    [
        ["pending", "--help"],
        ["pending", "status"],
        ["pending", "pending"],
        ["pending", "-v"],
        ["pending", "--json=1"],
        ["pending", "-c"],
        ["pending", "-c", "-q"],
        ["pending", "-c", "a", "--config", "b"],
        ["-c", "pending"],
        ["pending", "--", "-q"],
        ["stamp", "pending"],
    ],
)
def test_what_is_not_plainly_a_probe_is_left_to_the_verb(words: list[str]) -> None:
    assert shortcut.taken(words) is None
