"""Generated revisions on a database with rows: they run, go back, or stop and say what to do."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from headway import Direction, Migrator, Rename, RevisionReport
from headway.errors import ConfigurationError, HeadwayError

if TYPE_CHECKING:
    from conftest import ProjectFolder

pytestmark = [pytest.mark.asyncio, pytest.mark.vector]

PREAMBLE = """
import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC, VECTOR

metadata = sa.MetaData()


def table(name, *items, **options):
    return sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), *items, **options)

"""


class Story:
    """A project whose models change."""

    def __init__(self, project: ProjectFolder, url: str, options: str = "") -> None:
        self.project = project
        self.url = url
        self.options = options

    def models(self, *tables: str) -> None:
        self.project.env(f"metadata{self.options}", PREAMBLE + "\n".join(tables))

    def migrator(self) -> Migrator:
        return Migrator(self.project.ini, url=self.url)

    async def write(self, *tables: str, message: str = "change", **options: Any) -> RevisionReport:
        self.models(*tables)
        return await self.migrator().revision(message, **options)

    async def go(self, *tables: str, **options: Any) -> RevisionReport:
        """Write a revision and apply it; models and database agree then."""
        report = await self.write(*tables, **options)
        await self.migrator().upgrade()
        assert (await self.migrator().check()).clean
        return report

    def execute(self, statement: str) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def story(project: ProjectFolder, database_url: str) -> Story:
    return Story(project, database_url)


def text_of(report: RevisionReport) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in report.paths)


USERS = 'table("users", sa.Column("mail", sa.String(50)))'


async def test_a_column_that_must_not_be_null_waits_until_somebody_filled_it(story: Story) -> None:
    await story.go(USERS)
    story.execute("INSERT INTO users VALUES (1, 'a@b')")
    report = await story.write(
        'table("users", sa.Column("mail", sa.String(50), nullable=False), '
        'sa.Column("n", sa.Integer, nullable=False))'
    )
    _, after = report.paths
    with pytest.raises(HeadwayError, match=r"users\.n is to be NOT NULL and holds NULLs") as caught:
        await story.migrator().upgrade()
    assert "set_not_null" in str(caught.value)
    filled = after.read_text(encoding="utf-8").replace(
        "headway.op.set_not_null('users', 'n')",
        "op.execute('UPDATE users SET n = 7')\n    headway.op.set_not_null('users', 'n')",
    )
    after.write_text(filled, encoding="utf-8")
    await story.migrator().upgrade()
    assert (await story.migrator().check()).clean
    assert story.execute("SELECT n FROM users") == [(7,)]
    assert (
        story.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'users'::regclass AND contype = 'c'"
        )
        == []
    )
    await story.migrator().downgrade("-2")
    assert story.execute("SELECT * FROM users") == [(1, "a@b")]


async def test_what_rows_make_impossible_stops_the_downgrade_and_an_empty_table_goes_back(
    story: Story,
) -> None:
    await story.go(
        'table("users", sa.Column("mail", sa.Text, nullable=False), '
        'sa.Column("n", sa.Integer, nullable=False), sa.Column("note", sa.Text))'
    )
    report = await story.go('table("users", sa.Column("n", sa.Integer))')
    upgrade, downgrade = text_of(report).split("def downgrade")
    assert "# destructive: drops column users.mail" in upgrade
    assert "# users.note: its values do not come back\n" in downgrade
    story.execute("INSERT INTO users VALUES (1, NULL)")
    with pytest.raises(HeadwayError, match=r"users\.mail is NOT NULL, and what it held is gone"):
        await story.migrator().downgrade("-1")
    losses = await story.migrator().losses(await story.migrator().plan("base", direction=Direction.DOWNGRADE))
    assert [loss.what for loss in losses] == ["users"]
    story.execute("DELETE FROM users")
    await story.migrator().downgrade("-1")
    story.execute("INSERT INTO users (id, mail, n) VALUES (1, 'a', 2)")


@pytest.mark.slow
async def test_vectors_change_their_type_under_an_index_but_not_their_length_with_rows(story: Story) -> None:
    """And the extension comes before its first use, even where somebody prepared the database by hand.

    It stays, unless the project wants it dropped.
    """
    story.execute("CREATE EXTENSION vector")
    index = 'sa.Index("ix", "v", postgresql_using="hnsw", postgresql_ops={{"v": "{0}_l2_ops"}})'
    docs = f'table("docs", sa.Column("v", {{1}}({{2}})), {index})'
    first = await story.go(docs.format("vector", "VECTOR", 3))
    assert text_of(first).index("create_extension('vector')") < text_of(first).index("create_table('docs'")
    story.execute("INSERT INTO docs VALUES (1, '[1,2,3]')")
    report = await story.go(docs.format("halfvec", "HALFVEC", 3))
    assert len(report.paths) == 3
    assert "drops" not in text_of(report).split("def downgrade")[0]
    assert "create_extension" not in text_of(report)
    await story.migrator().downgrade("-3")
    await story.migrator().upgrade()
    await story.write(docs.format("halfvec", "HALFVEC", 4))
    with pytest.raises(HeadwayError, match="holds vectors of 3 dimensions, which cannot become 4"):
        await story.migrator().upgrade()
    story.execute("UPDATE docs SET v = NULL")
    await story.migrator().upgrade()
    assert (await story.migrator().check()).clean
    await story.migrator().downgrade("base")
    assert story.execute("SELECT extname FROM pg_extension WHERE extname = 'vector'") == [("vector",)]


async def test_types_change_with_their_defaults_in_both_directions(story: Story) -> None:
    columns = (
        'table("t", sa.Column("a", sa.{}, server_default="1"), sa.Column("b", sa.{}, server_default="1"))'
    )
    before, after = columns.format("Text", "Boolean"), columns.format("Integer", "SmallInteger")
    await story.go(before)
    story.execute("INSERT INTO t (id) VALUES (1)")
    defaults = (
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 't'::regclass ORDER BY adnum"
    )
    old = story.execute(defaults)
    await story.go(after)
    assert story.execute("SELECT a, b FROM t") == [(1, 1)]
    await story.migrator().downgrade("-1")
    assert story.execute("SELECT a, b FROM t") == [("1", True)]
    assert story.execute(defaults) == old


IDENTITIES = (
    # A column that counts, its rows, and the values of the next two.
    ("sa.Identity(start=1000, minvalue=100)", (), (1000, 1001)),
    ("sa.Identity(start=1000, increment=5)", (3, 7), (1000, 1005)),
    ("sa.Identity(always=True)", (3, 7), (8, 9)),
    ("sa.Identity(start=-1, increment=-2)", (3, -20), (-22, -24)),
)


@pytest.mark.slow
async def test_an_identity_comes_changes_and_goes_with_its_counter_beyond_the_rows(story: Story) -> None:
    def tables(*columns: str) -> list[str]:
        return [f'table("t{n}", sa.Column("c", sa.BigInteger, {column}))' for n, column in enumerate(columns)]

    plain = tables(*("nullable=False" for _ in IDENTITIES))
    await story.go(*plain)
    for n, (_, values, _) in enumerate(IDENTITIES):
        for value in values:
            story.execute(f"INSERT INTO t{n} (c) VALUES ({value})")  # noqa: S608  # numbers
    identities = [column for column, _, _ in IDENTITIES]
    await story.go(*tables(*identities))
    for n, (column, _, counted) in enumerate(IDENTITIES):
        found = [story.execute(f"INSERT INTO t{n} DEFAULT VALUES RETURNING c")[0][0] for _ in counted]  # noqa: S608  # as above
        assert (column, *found) == (column, *counted)
    await story.go(*tables(*identities[1:], identities[0]), message="turn")
    await story.go(*plain, message="plain")
    await story.migrator().downgrade("-3")
    await story.migrator().upgrade()
    await story.migrator().downgrade("base")


async def test_a_new_serial_key_numbers_the_rows_and_an_invalid_index_is_made_anew(story: Story) -> None:
    keyless = 'sa.Table("t", metadata, {} sa.Column("n", sa.Integer, index=True))'
    await story.go(keyless.format(""))
    story.execute("INSERT INTO t SELECT 1 FROM generate_series(1, 3)")
    # What a CREATE INDEX CONCURRENTLY that failed leaves.
    story.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_t_n'::regclass")
    key = """sa.Column("id", sa.SmallInteger, primary_key=True, comment="it's:x"),"""
    await story.go(keyless.format(key))
    assert story.execute("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
    assert story.execute("INSERT INTO t DEFAULT VALUES RETURNING id") == [(4,)]
    assert story.execute(
        "SELECT indisvalid, seqtypid::regtype::text FROM pg_index, pg_sequence "
        "WHERE indexrelid = 'ix_t_n'::regclass AND seqrelid = 't_id_seq'::regclass"
    ) == [(True, "smallint")]
    await story.go(keyless.format(""))
    with pytest.raises(HeadwayError, match=r"t\.id is NOT NULL, and what it held is gone"):
        await story.migrator().downgrade("-1")
    story.execute("DELETE FROM t")
    await story.migrator().downgrade("-1")
    assert story.execute("INSERT INTO t DEFAULT VALUES RETURNING id") == [(1,)]
    await story.migrator().downgrade("base")


async def test_a_sequence_that_a_column_names_is_made_before_it_and_goes_after_it(story: Story) -> None:
    await story.go('table("t", sa.Column("n", sa.Integer))')
    counter = 'sa.Sequence("my \'seq:s", start=7, schema="later")'
    key = 'sa.Table("k", metadata, sa.Column("id", sa.Integer, sa.Sequence("k_counter"), primary_key=True))'
    before = f'c = {counter}; table("t", sa.Column("n", sa.Integer, c, server_default=c.next_value()))'
    story.models(before)
    assert "sequence my 'seq:s" in " ".join((await story.migrator().check()).differences)
    await story.go(before, key)
    assert story.execute("INSERT INTO t DEFAULT VALUES RETURNING n") == [(7,)]
    made = "SELECT relname FROM pg_class WHERE relkind = 'S' AND relname <> 't_id_seq' ORDER BY 1"
    assert story.execute(made) == [("k_counter",), ("my 'seq:s",)]
    await story.migrator().downgrade("-1")
    assert story.execute(made) == []
    await story.migrator().upgrade()


async def test_a_label_that_a_new_default_uses_is_there_before_it_and_goes_after_it(story: Story) -> None:
    mood = 'table("t", sa.Column("m", sa.Enum({}, name="mood"), server_default="{}"))'
    await story.go(mood.format("'a', 'b'", "a"))
    report = await story.go(mood.format("'a', 'c', 'b'", "c"))
    assert len(report.paths) == 2
    await story.migrator().downgrade("-2")
    assert story.execute("SELECT enumlabel FROM pg_enum ORDER BY enumsortorder") == [("a",), ("b",)]
    assert story.execute("INSERT INTO t VALUES (1) RETURNING m") == [("a",)]
    await story.migrator().upgrade()


async def test_tables_that_refer_to_each_other_come_and_go(story: Story) -> None:
    tables = (
        'table("a", sa.Column("b", sa.ForeignKey("b.id", name="a_b")))',
        'table("b", sa.Column("a", sa.ForeignKey("a.id", name="b_a")))',
    )
    # SQLAlchemy warns of a circle, which is an error here: there is nothing to warn of.
    await story.write(*tables)
    await story.migrator().upgrade()
    await story.go()
    await story.migrator().downgrade("-1")
    found = story.execute("SELECT conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1")
    assert found == [("a_b",), ("b_a",)]
    await story.migrator().downgrade("base")


async def test_a_rename_is_flagged_until_somebody_decides_and_keeps_its_data_then(story: Story) -> None:
    await story.go('table("users", sa.Column("mail", sa.String(50), unique=True, index=True))')
    story.execute("INSERT INTO users VALUES (1, 'a@b')")
    after = 'table("users", sa.Column("email", sa.String(50), unique=True, index=True, nullable=False))'
    flagged = await story.write(after)
    assert flagged.renames == (Rename("users.mail", "users.email"),)
    assert "--rename" in text_of(flagged)
    for path in flagged.paths:
        path.unlink()
    silent = await story.write(after, renames=())
    assert silent.renames == ()
    assert "--rename" not in text_of(silent)
    for path in silent.paths:
        path.unlink()
    assert await story.migrator().probable_renames() == flagged.renames
    with pytest.raises(ConfigurationError, match=r"users\.mail=users\.email"):
        await story.write(after, renames=[Rename("users.nail", "users.email")])
    decided = await story.go(after, renames=flagged.renames)
    assert "destructive" not in text_of(decided)
    assert story.execute("SELECT email FROM users") == [("a@b",)]
    await story.migrator().downgrade(f"-{len(decided.paths)}")
    assert story.execute("SELECT mail FROM users") == [("a@b",)]


async def test_the_files_form_a_chain_where_the_options_put_it(story: Story) -> None:
    base = await story.go(USERS)
    both = (
        'table("users", sa.Column("mail", sa.String(50), index=True), sa.Column("n", sa.Integer, index=True))'
    )
    report = await story.go(both, rev_id="0042", branch_label="side", message="add n")
    first, last = (path.read_text(encoding="utf-8") for path in report.paths)
    assert report.revision == "0042"
    assert f"down_revision: str | None = '{base.revision}'" in first
    assert "down_revision: str | None = '0042_1'" in last
    assert ("branch_labels = ('side',)" in first, "branch_labels = None" in last) == (True, True)
    assert ("transactional = False" in first, "transactional = False" in last) == (False, True)
    assert "postgresql_concurrently=True" in last


async def test_a_project_may_want_one_file_and_have_its_own_say_first(story: Story) -> None:
    await story.go(USERS)
    hook = """
from alembic.operations import ops
def mine(context, revision, directives):
    [script] = directives
    [modify] = script.upgrade_ops.ops
    modify.ops.insert(0, ops.ExecuteSQLOp("SELECT 'mine'"))
"""
    story.options = ", online=False, drop_extensions=True, process_revision_directives=mine"
    report = await story.go(
        hook,
        'table("users", sa.Column("mail", sa.String(50), index=True), '
        'sa.Column("v", VECTOR(3), nullable=False))',
    )
    [path] = report.paths
    text = path.read_text(encoding="utf-8")
    assert "SELECT 'mine'" in text
    assert "concurrently" not in text
    assert "headway.op.refuse_rows('users'" in text
    await story.migrator().downgrade("-1")
    assert story.execute("SELECT extname FROM pg_extension WHERE extname = 'vector'") == []


async def test_alembics_own_command_writes_the_same_files_and_its_sql_has_the_checks(story: Story) -> None:
    await story.go(USERS)
    story.models(
        'table("users", sa.Column("mail", sa.String(50)), sa.Column("n", sa.Integer, nullable=False))'
    )

    def alembic(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "-c", str(story.project.ini), *arguments],
            env={"DATABASE_URL": story.url, "PATH": "", "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert alembic("revision", "--autogenerate", "-m", "n").count("Generating") == 2
    sql = alembic("upgrade", "base:head", "--sql")
    assert "DO $headway$ BEGIN IF EXISTS (SELECT 1 FROM users WHERE n IS NULL)" in sql
    await story.migrator().upgrade()
    assert (await story.migrator().check()).clean


async def test_nothing_is_written_when_nothing_changed(story: Story) -> None:
    await story.go(USERS)
    assert (await story.write(USERS)).paths == ()
    report = await story.write(USERS, allow_empty=True)
    assert len(report.paths) == 1


OWN_ENV = """
import sqlalchemy as sa
from alembic import context
from pgvector.sqlalchemy import Vector

from headway.autogenerate import plugin

plugin.register()  # where headway is installed, its entry point does
metadata = sa.MetaData()
key = [sa.Column(name, sa.Integer, primary_key=True) for name in "ab"]
sa.Table("t", metadata, *key, sa.Column("v", Vector(3)))
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    autogenerate_plugins=["alembic.autogenerate.*", "headway.*"],
)
with context.begin_transaction():
    context.run_migrations()
"""


async def test_an_env_py_that_only_names_the_plugin_writes_primary_keys_and_imports(story: Story) -> None:
    story.execute("CREATE EXTENSION vector")
    story.execute("CREATE TABLE t (a int NOT NULL, b int NOT NULL, CONSTRAINT pk PRIMARY KEY (a))")
    (story.project.root / "alembic" / "env.py").write_text(OWN_ENV, encoding="utf-8")
    engine = sa.create_engine(story.url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        config = Config(str(story.project.ini), stdout=io.StringIO(), attributes={"connection": connection})
        command.revision(config, "change", autogenerate=True)
    engine.dispose()
    [path] = story.project.versions.glob("*.py")
    written = path.read_text(encoding="utf-8")
    assert "op.create_primary_key('t_pkey', 't', ['a', 'b'])" in written
    assert "from pgvector.sqlalchemy import VECTOR" in written
    compile(written, "revision", "exec")
