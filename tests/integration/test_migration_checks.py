"""The checks of migrations: each finds its own fault in a project that has only that one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headway import Migrator, RefusedError
from headway.testing import checks
from headway.testing.checks.files import declared

if TYPE_CHECKING:
    from conftest import ProjectFolder

ROOT = Path(__file__).parents[2]
USERS = "op.execute('CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, note text)')"


def migrator_on(project: ProjectFolder | Path, url: str) -> Migrator:
    folder = project if isinstance(project, Path) else project.root
    return Migrator(folder, url=url, environment="development")


def chain(project: ProjectFolder, *upgrades: str, downgrade: str = "pass") -> str:
    """A table of users in r1, and these upgrades in r2 and on; the last one's id is returned."""
    project.revision("r1", upgrade=USERS, downgrade="op.drop_table('users')", doc="create users")
    for number, body in enumerate(upgrades, start=2):
        project.revision(f"r{number}", f"r{number - 1}", upgrade=body, downgrade=downgrade, doc="change")
    return f"r{len(upgrades) + 1}"


# -- files -----------------------------------------------------------------------------------------------


def test_two_heads_are_named_with_the_command_that_joins_them(project: ProjectFolder) -> None:
    project.tables("a", "b")
    checks.single_head(project.root)
    project.revision("r3", "r1")
    with pytest.raises(checks.CheckFailedError, match="2 heads: r2, r3") as caught:
        checks.single_head(project.root)
    assert "headway merge" in str(caught.value.hint)


GOOD = {"name": "20260101_0000_r1_say.py", "doc": "say", "downgrade": "op.drop_table('t')"}
CREATES = "op.create_table('t')"


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"name": "r1.py"}, "the name is not of the form of file_template"),
        ({"name": "20260101_0000_r2_say.py"}, "the name is not of the form of file_template"),
        ({"doc": " "}, "the docstring does not say what the revision does"),
        ({"doc": "empty message"}, "the docstring does not say what the revision does"),
        ({"downgrade": "pass"}, "downgrade() does nothing, but upgrade() does"),
        ({"downgrade": "'''Undo.'''\nreturn"}, "downgrade() does nothing, but upgrade() does"),
        ({"twice": True}, "revision id 'r1' is also used by"),
        ({"without": True}, "there is no downgrade()"),
    ],
)
def test_a_file_that_breaks_a_rule_is_named(
    project: ProjectFolder, change: dict[str, str | bool], finding: str
) -> None:
    def write(**how: str | bool) -> None:
        path = project.revision("r1", upgrade=CREATES, downgrade=str(how["downgrade"]), doc=str(how["doc"]))
        path = path.rename(path.with_name(str(how["name"])))
        text = path.read_text(encoding="utf-8")
        if how.get("without"):
            path.write_text(text.partition("def downgrade")[0], encoding="utf-8")
        if how.get("twice"):
            path.with_name(f"20260101_0001_r1_{path.stem[-3:]}.py").write_text(text, encoding="utf-8")

    write(**GOOD)
    checks.revision_files(project.root)
    project.versions.joinpath(GOOD["name"]).unlink()
    write(**(GOOD | change))
    with pytest.raises(checks.CheckFailedError) as caught:
        checks.revision_files(project.root)
    assert finding in "\n".join(caught.value.findings)


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "error", "told"),
    [
        (
            "op.bulk_insert(sa.table('t', sa.column('a')), [{'a': object()}])",
            "pass",
            "failed",
            "CompileError",
        ),
        ("raise ValueError('no')", "pass", "failed", "ValueError: no"),
        ("pass", "op.nonsense_at_all", "skipped", "downgrade() reads data"),
        (
            "op.get_bind().execute(sa.text('SELECT 1')).scalar_one()",
            "pass",
            "skipped",
            "upgrade() reads data",
        ),
        ("pass", "raise NotImplementedError('gone')", None, ""),
        ("pass", "from headway.errors import IrreversibleMigration as E\nraise E('gone')", None, ""),
    ],
)
def test_sql_that_cannot_be_written_is_told_apart_from_data_that_is_read(
    project: ProjectFolder, upgrade: str, downgrade: str, error: str | None, told: str
) -> None:
    project.revision("r1", upgrade=upgrade, downgrade=downgrade)
    if error is None:
        checks.offline_sql(project.root, "r1")
        return
    kind = checks.CheckFailedError if error == "failed" else checks.NotApplicableError
    with pytest.raises(kind) as caught:
        checks.offline_sql(project.root, "r1")
    assert told in str(caught.value)


def test_what_a_revision_of_sql_says_of_itself_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "20260101000000_drop.up.sql"
    path.write_text(
        "-- a remark\nDELETE FROM a; -- assumes: not alone\n  -- Destructive: all of a\n", encoding="utf-8"
    )
    assert declared(path, "destructive") == "all of a"
    assert declared(path, "assumes") is None


# -- schema ----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_a_downgrade_forgets_and_what_it_gives_back_otherwise_are_shown(
    project: ProjectFolder, database_urls: list[str]
) -> None:
    last = chain(
        project,
        "op.execute('CREATE INDEX by_note ON users (note)')\n"
        "op.execute('ALTER TABLE users ALTER email TYPE varchar(320)')\n"
        "op.execute('ALTER TABLE users DROP note')",
        downgrade="op.execute('ALTER TABLE users ADD note text')\n"
        "op.execute('ALTER TABLE users ALTER email TYPE varchar')\n"
        "op.execute('ALTER TABLE users ADD CHECK (id > 0)')",
    )
    migrator = migrator_on(project, database_urls[0])
    await checks.upgrade_downgrade(migrator, "r1")
    with pytest.raises(checks.CheckFailedError) as caught:
        await checks.upgrade_downgrade(migrator, last)
    assert caught.value.findings == (
        "changed: column public.users.email: type is character varying, was text",
        "left over: constraint public.users.users_id_check",
    )
    project.revision("r1", upgrade=USERS, downgrade="op.execute('ALTER TABLE users RENAME TO gone')")
    project.versions.joinpath("r2.py").unlink()
    with pytest.raises(checks.CheckFailedError, match="at base the schema"):
        await checks.whole_history(migrator_on(project, database_urls[1]))


@pytest.mark.asyncio
async def test_a_second_upgrade_that_differs_is_shown(project: ProjectFolder, database_url: str) -> None:
    project.revision(
        "r1",
        upgrade="op.execute('CREATE SCHEMA IF NOT EXISTS kept')\n"
        "bind = op.get_bind()\n"
        "done = \"SELECT count(*) FROM migration_history WHERE outcome = 'succeeded'\"\n"
        "again = bind.scalar(sa.text(done))\n"
        "op.execute('CREATE TABLE kept.a (id int)' if again else 'CREATE TABLE kept.a (id bigint)')",
        downgrade="op.execute('DROP SCHEMA kept CASCADE')",
    )
    with pytest.raises(checks.CheckFailedError, match="second upgrade of r1") as caught:
        await checks.upgrade_downgrade(migrator_on(project, database_url), "r1")
    assert caught.value.findings == ("changed: column kept.a.id: type is integer, was bigint",)


@pytest.mark.asyncio
async def test_what_says_that_it_cannot_be_undone_is_skipped_and_what_fails_is_not(
    project: ProjectFolder, database_urls: list[str]
) -> None:
    chain(project, "op.drop_column('users', 'note')", downgrade="raise NotImplementedError('notes are gone')")
    migrator = migrator_on(project, database_urls[0])
    with pytest.raises(checks.NotApplicableError, match="r2 cannot be undone: notes are gone"):
        await checks.upgrade_downgrade(migrator, "r2")
    assert (await migrator.pending()).current == ("r2",)
    with pytest.raises(checks.NotApplicableError, match="r2 cannot be undone"):
        await checks.whole_history(migrator_on(project, database_urls[1]))
    irreversible = "from headway.errors import IrreversibleMigration as E\nraise E('the notes')"
    chain(project, "op.drop_column('users', 'note')", downgrade=irreversible)
    with pytest.raises(checks.NotApplicableError, match="r2 cannot be undone: the notes"):
        await checks.upgrade_downgrade(migrator_on(project, database_urls[3]), "r2")
    chain(project, "op.drop_column('users', 'note')", downgrade="op.drop_column('users', 'note')")
    with pytest.raises(checks.CheckFailedError, match="revision r2 cannot be undone") as caught:
        await checks.upgrade_downgrade(migrator_on(project, database_urls[2]), "r2")
    assert any("42703" in finding for finding in caught.value.findings)
    with pytest.raises(RefusedError, match="holds revision r1 already"):
        await checks.upgrade_downgrade(migrator, "r1")


@pytest.mark.asyncio
async def test_models_that_no_revision_makes_are_listed(project: ProjectFolder, database_url: str) -> None:
    project.tables("a")
    migrator = migrator_on(project, database_url)
    with pytest.raises(checks.NotApplicableError, match="no metadata"):
        await checks.models_match(migrator)
    project.env("metadata", "import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table('b', metadata)\n")
    with pytest.raises(checks.CheckFailedError) as caught:
        await checks.models_match(migrator_on(project, database_url))
    assert len(caught.value.findings) == 2


# -- rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upgrade", "finding"),
    [
        ("op.execute('DELETE FROM users WHERE note IS NULL')", "users: 1 row of 3 missing"),
        ("op.execute('UPDATE users SET email = id')", "users: email changed in 3 rows, for example"),
        (
            'op.execute("DO $$BEGIN ALTER TABLE users DROP note; END$$")',
            "users: the column note is gone, with 2",
        ),
        ('op.execute("DO $$BEGIN DROP TABLE users; END$$")', "users: the table is gone, with 3 rows"),
        (
            "op.execute('ALTER TABLE users ALTER note TYPE int USING NULL')",
            "users: note changed in 2 rows, for example 'note 0' became NULL",
        ),
        ("op.execute('ALTER TABLE users ALTER note SET NOT NULL')", "23502"),
        ("op.execute('ALTER TABLE users ADD at date NOT NULL')", "23502"),
        ("op.execute('ALTER TABLE users DROP nothing')", "42703"),
    ],
)
@pytest.mark.asyncio
@pytest.mark.sampled(2)
async def test_a_revision_that_loses_rows_or_fails_on_them_is_shown(
    project: ProjectFolder, database_url: str, upgrade: str, finding: str
) -> None:
    last = chain(project, upgrade)
    with pytest.raises(checks.CheckFailedError) as caught:
        await checks.rows_preserved(migrator_on(project, database_url), last)
    assert any(finding in told for told in caught.value.findings), caught.value.findings
    assert ("over rows" in caught.value.message) == (finding == "23502")


@pytest.mark.asyncio
async def test_what_is_dropped_in_plain_sight_declared_renamed_or_filled_in_is_no_loss(
    project: ProjectFolder, database_url: str
) -> None:
    last = chain(
        project,
        "# destructive: the users without a note\nop.execute('DELETE FROM users WHERE note IS NULL')",
        "op.rename_table('users', 'people')\nop.alter_column('people', 'email', new_column_name='mail')",
        "op.execute(\"UPDATE people SET note = 'none' WHERE note IS NULL\")\n"
        "op.execute('ALTER TABLE people ALTER id TYPE bigint')\n"
        "op.execute('ALTER TABLE people ADD share numeric(4, 2) DEFAULT 1.5')",
        "# assumes: that nobody has a note\nop.execute('ALTER TABLE people ADD CHECK (note IS NULL)')",
        "op.get_bind().execute(sa.text('SELECT 1')).scalar_one()\n"
        "op.drop_column('people', 'mail')\nop.add_column('people', sa.Column('mail', sa.Text))",
        "op.drop_table('people')",
    )
    migrator = migrator_on(project, database_url)
    for revision in ("r1", "r2", "r3", "r4"):
        filling = await checks.rows_preserved(migrator, revision)
        assert filling.unfilled == {}
    with pytest.raises(checks.NotApplicableError, match="r5 assumes: that nobody has a note"):
        await checks.rows_preserved(migrator, "r5")
    project.revision("r5", "r4", upgrade="import headway\nraise headway.RefusedError('there are notes')")
    with pytest.raises(checks.NotApplicableError, match="r5 refuses: there are notes"):
        await checks.rows_preserved(migrator, "r5")
    project.revision("r5", "r4", upgrade="op.execute('ALTER TABLE people ALTER share TYPE numeric(6, 3)')")
    for revision in ("r5", "r6", last):
        await checks.rows_preserved(migrator, revision)


@pytest.mark.vector
@pytest.mark.asyncio
async def test_the_reference_application_passes_the_checks_that_need_a_database(
    database_urls: list[str],
) -> None:
    migrator = migrator_on(ROOT, database_urls[0])
    revisions = [status.revision for status in reversed(await migrator.history())]
    for revision in revisions:
        await checks.upgrade_downgrade(migrator, revision)
        checks.offline_sql(ROOT, revision)
    await checks.models_match(migrator)
    migrator = migrator_on(ROOT, database_urls[1])
    filled: dict[str, int] = {}
    for revision in revisions:
        filling = await checks.rows_preserved(migrator, revision)
        assert filling.unfilled == {}
        filled |= filling.rows
    assert filled == dict.fromkeys(("projects", "sprints", "tasks", "action_lists"), 3)
