"""Server defaults: compared without crashing, and without differences where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.types import NullType

from headway import Migrator
from headway.autogenerate import plugin
from headway.autogenerate.defaults_by_text import DefaultsByText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from conftest import ProjectFolder

MODELS = '''
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData()
mood = pg.ENUM("it's fine", "bad", name="mood")
sa.Table(
    "things",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("serial_like", sa.BigInteger, sa.Identity()),
    sa.Column("doubled", sa.Integer, sa.Computed("number * 2", persisted=True)),
    sa.Column("number", sa.Integer, server_default="7"),
    sa.Column("negative", sa.SmallInteger, server_default=text("-1")),
    sa.Column("amount", sa.Numeric(7, 2), server_default=text("0")),
    sa.Column("ratio", sa.Float, server_default="1.5"),
    sa.Column("yes", sa.Boolean, server_default=sa.true()),
    sa.Column("no", sa.Boolean, server_default="0"),
    sa.Column("owner", sa.String(40), server_default="the owner's"),
    sa.Column("odd", sa.Text, server_default="50% of 'a:b', \\\\ and $1"),
    sa.Column("empty", sa.Text, server_default=""),
    sa.Column("nothing", sa.Text, server_default=text("NULL")),
    sa.Column("json", sa.JSON, server_default="{}"),
    sa.Column("json_text", sa.JSON, server_default=text("""'{"a":  "it''s"}'::json""")),
    sa.Column("jsonb", pg.JSONB, server_default=text("'[]'::jsonb")),
    sa.Column("jsonb_built", pg.JSONB, server_default=text("jsonb_build_object('a', 1)")),
    sa.Column("words", pg.ARRAY(sa.Text), server_default="{}"),
    sa.Column("made", pg.ARRAY(sa.Integer), server_default=text("ARRAY[1, 2]")),
    sa.Column("none_made", pg.ARRAY(sa.Integer), server_default=text("ARRAY[]::integer[]")),
    sa.Column("mood", mood, server_default="it's fine"),
    sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    sa.Column("made_on", sa.Date, server_default=sa.func.current_date()),
    sa.Column("stamped", sa.DateTime(timezone=True), server_default=sa.func.current_timestamp()),
    sa.Column("clock", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp()),
    sa.Column("utc", sa.DateTime, server_default=text("timezone('utc', now())")),
    sa.Column("utc_too", sa.DateTime, server_default=text("(now() AT TIME ZONE 'utc')")),
    sa.Column("due", sa.DateTime(timezone=True), server_default=text("now() + interval '7 days'")),
    sa.Column("span", sa.Interval, server_default=text("'1 day'")),
    sa.Column("cast", sa.Text, server_default=sa.cast("x", sa.String(5))),
    sa.Column("key", sa.Uuid, server_default=sa.func.gen_random_uuid()),
    sa.Column("who", sa.Text, server_default=text("current_user")),
    sa.Column("lowered", sa.Text, server_default=text("lower('ABC')")),
    sa.Column("luck", sa.Float, server_default=text("random() * 10")),
    sa.Column("bytes", sa.LargeBinary, server_default=text("'\\\\x00ff'")),
)
'''


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _create(connection: Connection) -> sa.MetaData:
    scope: dict[str, sa.MetaData] = {}
    exec(MODELS, scope)  # noqa: S102  # the project's models, as its env.py has them
    with connection.begin():
        scope["metadata"].create_all(connection)
    return scope["metadata"]


@pytest.mark.asyncio
@pytest.mark.parametrize("options", ["metadata", "metadata, compare_server_default=True"])
async def test_a_database_made_from_the_models_does_not_differ_from_them(
    project: ProjectFolder, database_url: str, connection: Connection, options: str
) -> None:
    _create(connection)
    project.env(options, MODELS)
    assert (await Migrator(project.ini, url=database_url).check()).differences == ()


@pytest.mark.asyncio
async def test_a_column_that_is_computed_when_it_is_read_has_no_default_to_compare(
    project: ProjectFolder, database_url: str, connection: Connection
) -> None:
    if (connection.dialect.server_version_info or ()) < (18,):
        pytest.skip("needs PostgreSQL 18: older ones keep every computed column")
    with connection.begin():
        connection.exec_driver_sql("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)")
    columns = "sa.Column('a', sa.Integer), sa.Column('b', sa.Integer, sa.Computed('a * 2', persisted=False))"
    models = f"import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table('t', metadata, {columns})\n"
    project.env("metadata", models)
    assert (await Migrator(project.ini, url=database_url).check()).differences == ()


def test_a_driver_that_doubles_per_cent_signs_makes_no_difference(connection: Connection) -> None:
    metadata = _create(connection)
    with connection.begin():
        plugin.register()
        options = {"compare_server_default": True, "autogenerate_plugins": plugin.PLUGINS}
        context = MigrationContext.configure(connection, opts={**options, "target_metadata": metadata})
        assert compare_metadata(context, metadata) == []


@pytest.mark.asyncio
async def test_every_default_that_differs_is_reported_and_the_comparison_goes_on(
    project: ProjectFolder, database_url: str, connection: Connection
) -> None:
    with connection.begin():
        connection.exec_driver_sql(
            """
            CREATE TABLE t (
                a text DEFAULT 'it''s', b json DEFAULT '{"a": 1}', c integer DEFAULT 1,
                d timestamptz DEFAULT now(), e text, f text DEFAULT 'gone', g json DEFAULT '{}',
                h text DEFAULT 'broken'
            )
            """
        )
    columns = """
        sa.Column("a", sa.Text, server_default="it's not"),
        sa.Column("b", sa.JSON, server_default='{"a": 2}'),
        sa.Column("c", sa.Integer, server_default="2"),
        sa.Column("d", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp()),
        sa.Column("e", sa.Text, server_default="new"),
        sa.Column("f", sa.Text),
        sa.Column("g", sa.JSON, server_default="not json at all"),
        sa.Column("h", sa.Text, server_default=sa.text("lower(1, 2)")),
    """
    models = f"import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table('t', metadata, {columns})\n"
    project.env("metadata", models)
    report = await Migrator(project.ini, url=database_url).check()
    assert [line.split(":")[0] for line in report.differences] == [
        f"change default of column t.{name}" for name in "abcdefgh"
    ]


@pytest.mark.asyncio
async def test_a_project_that_turns_the_comparison_off_or_has_its_own_keeps_its_way(
    project: ProjectFolder, database_url: str, connection: Connection
) -> None:
    with connection.begin():
        connection.exec_driver_sql("CREATE TABLE t (a text DEFAULT 'x')")
    models = (
        "import sqlalchemy as sa\nmetadata = sa.MetaData()\n"
        "sa.Table('t', metadata, sa.Column('a', sa.Text, server_default=VALUE))\n"
    )
    for value, option, clean in [
        ("'y'", "False", True),
        ("'y'", "lambda *_: False", True),
        ("'x'", "lambda *_: True", False),
        ("'y'", "lambda *_: None", False),
    ]:
        project.env(f"metadata, compare_server_default={option}", models.replace("VALUE", value))
        assert (await Migrator(project.ini, url=database_url).check()).clean is clean


@pytest.mark.parametrize(
    ("inspected", "modelled", "differ"),
    [
        (None, None, False),
        (None, "NULL", False),
        ("NULL::text", None, False),
        ("'null'::text", None, True),
        ("'x'::text", "('x')", False),
        ("'X'::text", "'x'", True),
        ("'a b'::text", "'a  b'", True),
        ("'it''s'::text", "E'it\\'s'", False),
        ("lower('A'::text)", "lower('B')", True),
        ("CURRENT_TIMESTAMP", "now()", False),
        ("now()", "pg_catalog.now()", False),
        ("(now() + '1 day'::interval)", "now()+interval '1 day'", False),
        ("(now() + '1 day'::interval)", "now() + interval '2 days'", True),
        ("timezone('utc'::text, now())", "now() AT TIME ZONE 'utc'", False),
        ("CURRENT_USER", "SESSION_USER", True),
        ("'current_user'::text", "lower('CURRENT_USER')", False),
        ("random()", "random() * 2", True),
        ("'100%'::text", "'10' || '0%'", False),
        ("1", "1 / 0", True),
        ("nextval('s'::regclass)", "nextval('s')", False),
    ],
)
def test_defaults_are_compared_by_value_or_by_how_they_read(
    connection: Connection, inspected: str | None, modelled: str | None, *, differ: bool
) -> None:
    with connection.begin():
        assert DefaultsByText(connection).differ(inspected, modelled, sa.Text()) is differ
        assert connection.scalar(sa.text("SELECT 1")) == 1


def test_a_type_that_is_not_known_here_is_no_obstacle(connection: Connection) -> None:
    with connection.begin():
        assert not DefaultsByText(connection).differ("lower('A')", "'a'", NullType())
        assert not DefaultsByText(connection).differ("'1.50'::numeric", "1.5", NullType(), sa.Numeric(7, 3))
