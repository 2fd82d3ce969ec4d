"""Tables that are certainly alike are spared, and no operation is lost or changed by that."""

from __future__ import annotations

import contextlib
import difflib
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.compare import _populate_migration_script
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority
from hypothesis import HealthCheck, Phase, given, settings

from async_connection import on_asyncpg
from headway.autogenerate import enums, plugin
from headway.autogenerate.likeness import Likeness, find_likeness, likeness_of
from model_sets import SCHEMAS
from model_strategies import pairs
from rich_models import CHANGES, rich_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from model_sets import Models

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.vector,
    pytest.mark.filterwarnings("ignore:Cannot correctly sort tables:sqlalchemy.exc.SAWarning"),
]

IN_FULL = (*plugin.PLUGINS, "another")
"""With a comparator that headway does not know, everything is compared."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _plugins() -> Iterator[None]:
    plugin.register()
    enums.activate()
    another = Plugin("another")
    another.add_autogenerate_comparator(
        lambda *_: None,  # type: ignore[arg-type]  # what it says is of no interest
        "schema",
        "another",
        priority=DispatchPriority.LAST,
    )
    yield
    another.remove()


def context_of(
    connection: Connection, metadata: sa.MetaData, plugins: tuple[str, ...], **options: Any
) -> AutogenContext:
    usual = {"include_schemas": True, "compare_type": True, "compare_server_default": True}
    given = {**usual, **options, "autogenerate_plugins": plugins, "target_metadata": metadata}
    return AutogenContext(MigrationContext.configure(connection, opts=given), metadata)


def certain(connection: Connection, metadata: sa.MetaData, **options: Any) -> tuple[Likeness, list[str]]:
    """What is certain, with nothing compared, and the statements that it took."""
    statements: list[str] = []
    sa.event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
    plugins = options.pop("plugins", plugin.PLUGINS)
    context = context_of(connection, metadata, plugins, **options)
    return find_likeness(context, {None, *SCHEMAS}), statements


def compared(
    connection: Connection, metadata: sa.MetaData, plugins: tuple[str, ...] = plugin.PLUGINS, **options: Any
) -> tuple[Likeness, str]:
    """What was certain, and the operations found."""
    context = context_of(connection, metadata, plugins, **options)
    upgrade, downgrade = ops.UpgradeOps([]), ops.DowngradeOps([])
    _populate_migration_script(context, ops.MigrationScript("r", upgrade, downgrade))
    code = f"{render_python_code(upgrade)}\n{render_python_code(downgrade)}"
    return likeness_of(context), code


def difference(code: str, in_full: str) -> str:
    """What pytest would show in a screen or two."""
    return "\n".join(difflib.unified_diff(in_full.splitlines(), code.splitlines(), lineterm="", n=0))


def prepare(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        for schema in SCHEMAS[1:]:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'.encode())


def keys(metadata: sa.MetaData) -> frozenset[tuple[str | None, str]]:
    return frozenset((table.schema, table.name) for table in metadata.tables.values())


async def test_models_that_use_everything_are_seen_to_be_the_databases(database_url: str) -> None:
    prepare(database_url)

    def work(connection: Connection) -> None:
        rich_models().create_all(connection)
        likeness, statements = certain(connection, rich_models())
        assert (likeness.whole, likeness.tables) == (True, keys(rich_models()))
        assert likeness.enums == {("public", "mood"), ("other", "Color")}
        assert len(statements) <= MOST, "\n\n".join(statements)
        assert "op." not in compared(connection, rich_models())[1]

    await on_asyncpg(database_url, work)


MOST = 20
"""Statements, however many tables there are."""


def hiding(what: str) -> Callable[..., bool]:
    return lambda name, *_: name != what


UNFORESEEN: dict[str, Any] = {
    "a function for types": {"compare_type": lambda *_: None},
    "a function for defaults": {"compare_server_default": lambda *_: None},
    "a comparator of another's": {"plugins": IN_FULL},
}


@pytest.mark.parametrize("options", UNFORESEEN.values(), ids=UNFORESEEN.keys())
async def test_nothing_is_certain_where_others_have_a_word_in_it(
    database_url: str, options: dict[str, Any]
) -> None:
    prepare(database_url)

    def work(connection: Connection) -> None:
        rich_models().create_all(connection)
        assert certain(connection, rich_models(), **options)[0] == Likeness()

    await on_asyncpg(database_url, work)


async def test_nothing_is_certain_where_somebody_changes_what_is_reflected(database_url: str) -> None:
    prepare(database_url)

    def listener(*_: Any) -> None:
        pass

    def work(connection: Connection) -> None:
        rich_models().create_all(connection)
        sa.event.listen(sa.Table, "column_reflect", listener)
        try:
            assert certain(connection, rich_models())[0] == Likeness()
        finally:
            sa.event.remove(sa.Table, "column_reflect", listener)

    await on_asyncpg(database_url, work)


@pytest.mark.parametrize(
    "name", ["account_lower", "account_name", "account_score", "line_user", "made", "item"]
)
async def test_what_a_filter_hides_is_missed_as_in_the_full_comparison(database_url: str, name: str) -> None:
    prepare(database_url)

    def work(connection: Connection) -> None:
        metadata = rich_models()
        metadata.create_all(connection)
        likeness, code = compared(connection, metadata, include_name=hiding(name))
        _, in_full = compared(connection, metadata, IN_FULL, include_name=hiding(name))
        assert code == in_full, difference(code, in_full)
        assert "op." in code or name in {"account_score", "account_lower"}
        assert not likeness.whole

    await on_asyncpg(database_url, work)


async def test_a_filter_of_objects_hides_tables_as_in_the_full_comparison(database_url: str) -> None:
    prepare(database_url)

    def without_others(item: Any, name: str | None, *_: Any) -> bool:
        return not (isinstance(item, sa.Table) and str(name).startswith("other"))

    def work(connection: Connection) -> None:
        metadata = rich_models()
        metadata.create_all(connection)
        sa.Table("others_view", metadata, sa.Column("id", sa.Integer))
        likeness, _ = certain(connection, metadata, include_object=without_others)
        assert likeness.whole
        connection.exec_driver_sql("CREATE TABLE others (id integer)")
        likeness, code = compared(connection, metadata, include_object=without_others)
        assert not likeness.whole
        assert "op." not in code

    await on_asyncpg(database_url, work)


async def test_what_one_difference_costs_does_not_grow_with_the_tables_that_are_alike(
    database_url: str,
) -> None:
    prepare(database_url)

    def models(count: int) -> sa.MetaData:
        metadata = sa.MetaData()
        mood = sa.Enum("sad", "ok", name="mood", metadata=metadata)
        for number in range(count):
            of_one = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("mood", mood)]
            sa.Table(f"t{number}", metadata, *of_one, sa.CheckConstraint("id > 0", name=f"c{number}"))
        return metadata

    def work(connection: Connection) -> None:
        statements: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
        taken = []
        for count in (3, 30):
            metadata = models(count)
            metadata.create_all(connection)
            metadata.tables["t0"].append_column(sa.Column("new", sa.Integer))
            statements.clear()
            likeness, code = compared(connection, metadata)
            assert code.count("op.") == 2  # up and down
            assert likeness.tables == keys(metadata) - {(None, "t0")}
            taken.append(len(statements))
        assert taken[0] == taken[1]

    await on_asyncpg(database_url, work)


async def test_no_table_is_made_for_each_that_differs(database_url: str) -> None:
    prepare(database_url)

    def work(connection: Connection) -> None:
        metadata = rich_models()
        metadata.create_all(connection)
        for table in metadata.tables.values():
            table.append_column(sa.Column("new", sa.Integer, index=True, unique=True))
        rest = certain(connection, metadata)[0].rest
        assert rest is not None
        assert rest.spelled.keys() == keys(metadata)

    await on_asyncpg(database_url, work)


async def test_no_change_of_the_database_passes_for_none(database_url: str) -> None:
    changes = dict.fromkeys(CHANGES, False)

    def look(connection: Connection, metadata: sa.MetaData, change: str) -> None:
        changes[change] = not certain(connection, metadata)[0].whole

    await with_each_change(database_url, look)
    assert [change for change, seen in changes.items() if not seen] == []


@pytest.mark.slow
async def test_every_change_of_the_database_gives_the_operations_of_the_full_comparison(
    database_url: str,
) -> None:
    def both(connection: Connection, metadata: sa.MetaData, change: str) -> None:
        _, code = compared(connection, metadata)
        _, in_full = compared(connection, metadata, IN_FULL)
        assert code == in_full, f"{change}\n{difference(code, in_full)}"

    await with_each_change(database_url, both)


async def with_each_change(url: str, look: Callable[[Connection, sa.MetaData, str], None]) -> None:
    """Call ``look`` while the database differs from the rich models by one change."""
    prepare(url)

    def work(connection: Connection) -> None:
        metadata = rich_models()
        metadata.create_all(connection)
        for change in CHANGES:
            with connection.begin_nested() as nested:
                for statement in change.split("; "):
                    connection.exec_driver_sql(statement)
                look(connection, metadata, change)
                nested.rollback()

    await on_asyncpg(url, work)


@settings(
    max_examples=8,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
    phases=[Phase.generate],
)
@given(pair=pairs())
def test_any_models_give_the_operations_of_the_full_comparison(
    pair: tuple[Models, Models], database_url: str
) -> None:
    before, after = pair
    prepare(database_url)
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with contextlib.closing(engine.connect()) as connection, connection.begin() as transaction:
        before.metadata().create_all(connection)
        likeness, code = compared(connection, before.metadata())
        assert ("op." in code, likeness.whole) == (False, True), (before, code)
        # One for both: what hangs on a table is a set, in no order of its own.
        metadata = after.metadata()
        _, code = compared(connection, metadata)
        _, in_full = compared(connection, metadata, IN_FULL)
        assert code == in_full, difference(code, in_full)
        transaction.rollback()
    engine.dispose()
