"""``alembic.op`` and ``alembic.context`` mean the caller's own run, whoever else is running."""

from __future__ import annotations

import asyncio
import contextvars
import io
import sys
import threading
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Any

import alembic.context
import alembic.op
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.langhelpers import ModuleClsProxy
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from headway import Migrator
from headway.alembic_bridge import routing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from conftest import ProjectFolder

# An env.py as Alembic's own template has it, without headway.
STOCK_ENV = """
from alembic import context

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

# Each statement runs when everybody else is in the middle of a revision, too.
BODY = """
from meeting import meet

name = {name}
for number in range(4):
    meet()
    assert context.config is context.get_context().config
    op.execute(f'CREATE TABLE {{name}}_{{number}}()')
meet()
"""
FROM_X = "context.get_x_argument(as_dictionary=True)['t']"


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let revisions wait for one another: ``from meeting import meet``."""

    def of(parties: int) -> None:
        module: Any = ModuleType("meeting")
        module.meet = threading.Barrier(parties, timeout=120).wait
        monkeypatch.setitem(sys.modules, "meeting", module)

    return of


@pytest.fixture
def stock(project: ProjectFolder, tmp_path: Path) -> ProjectFolder:
    """A second project, whose env.py is Alembic's own."""
    stock = type(project)(tmp_path / "stock")
    (stock.root / "alembic" / "env.py").write_text(STOCK_ENV, encoding="utf-8")
    stock.revision("s1", upgrade=BODY.format(name="'stock'"))
    return stock


def engine_of(url: str) -> Engine:
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows} - {"alembic_version", "migration_history"}


def four(name: str) -> set[str]:
    return {f"{name}_{number}" for number in range(4)}


# -- Alembic's own commands beside headway -----------------------------------------------------------


@pytest.mark.asyncio
async def test_a_stock_env_py_in_a_thread_and_a_migrator_never_mix(
    project: ProjectFolder,
    stock: ProjectFolder,
    database_urls: Sequence[str],
    meeting: Callable[[int], None],
) -> None:
    meeting(2)
    project.revision("r1", upgrade=BODY.format(name=FROM_X))
    config = Config(stock.ini, attributes={"engine": engine_of(database_urls[1])})
    migrator = Migrator(project.ini, url=database_urls[0], x_arguments=["t=ours"])
    await asyncio.gather(migrator.upgrade(), asyncio.to_thread(command.upgrade, config, "head"))
    assert tables(database_urls[0]) == four("ours")
    assert tables(database_urls[1]) == four("stock")


@pytest.mark.asyncio
async def test_alembics_command_on_headways_env_py_in_a_thread_and_a_migrator_never_mix(
    project: ProjectFolder,
    database_urls: Sequence[str],
    meeting: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meeting(2)
    project.revision("r1", upgrade=BODY.format(name=FROM_X))
    monkeypatch.setenv("DATABASE_URL", database_urls[1])
    config = Config(project.ini, cmd_opts=Namespace(x=["t=theirs"]), stdout=io.StringIO())
    migrator = Migrator(project.ini, url=database_urls[0], x_arguments=["t=ours"])
    await asyncio.gather(migrator.upgrade(), asyncio.to_thread(command.upgrade, config, "head"))
    assert tables(database_urls[0]) == four("ours")
    assert tables(database_urls[1]) == four("theirs")


@pytest.mark.parametrize("env", ["stock", "headway"])
def test_six_threads_of_alembics_command_never_mix(
    env: str,
    project: ProjectFolder,
    stock: ProjectFolder,
    database_urls: Sequence[str],
    meeting: Callable[[int], None],
) -> None:
    meeting(6)
    used = stock if env == "stock" else project
    used.revision("s1", upgrade=BODY.format(name=FROM_X))

    def upgrade(number: int) -> None:
        engine = engine_of(database_urls[number])
        config = Config(used.ini, cmd_opts=Namespace(x=[f"t=n{number}"]), stdout=io.StringIO())
        with engine.connect() as connection:
            config.attributes.update(engine=engine, connection=connection)
            command.upgrade(config, "head")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(upgrade, range(6)))
    for number in range(6):
        assert tables(database_urls[number]) == four(f"n{number}")


def test_a_command_inside_a_revision_gives_op_and_context_back_to_the_revision(
    project: ProjectFolder,
    stock: ProjectFolder,
    database_urls: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stock.revision("s1", upgrade="op.execute('CREATE TABLE inner_one()')")
    inside: Any = ModuleType("inside")
    inside.upgrade = lambda: command.upgrade(
        Config(stock.ini, attributes={"engine": engine_of(database_urls[1])}), "head"
    )
    monkeypatch.setitem(sys.modules, "inside", inside)
    project.revision(
        "r1",
        upgrade="import inside\ninside.upgrade()\n"
        f"op.execute('CREATE TABLE outer_' + {FROM_X} + context.config.cmd_opts.x[0][2:] + '()')",
    )
    asyncio.run(Migrator(project.ini, url=database_urls[0], x_arguments=["t=x"]).upgrade())
    assert tables(database_urls[0]) == {"outer_xx"}
    assert tables(database_urls[1]) == {"inner_one"}


def test_a_thread_that_a_revision_starts_uses_the_revisions_op(
    project: ProjectFolder, database_url: str
) -> None:
    project.revision(
        "r1",
        upgrade="import threading\n"
        "def ask():\n    found.append((op.get_bind(), context.config))\n"
        "found = []\nthread = threading.Thread(target=ask)\nthread.start()\nthread.join()\n"
        "assert found == [(op.get_bind(), context.config)]",
    )
    asyncio.run(Migrator(project.ini, url=database_url).upgrade())


# -- what the modules mean, case by case -------------------------------------------------------------


def operations() -> Operations:
    return Operations(migration_context())


def migration_context() -> MigrationContext:
    return MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})


@pytest.fixture
def environment(project: ProjectFolder) -> Callable[[], EnvironmentContext]:
    def make() -> EnvironmentContext:
        config = Config(project.ini)
        return EnvironmentContext(config, ScriptDirectory.from_config(config))

    return make


def op_here() -> object:
    return alembic.op.get_context()


def elsewhere(question: Callable[[], object]) -> object:
    """Ask in a thread, whose context is empty."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(question).result()


def test_config_and_script_are_the_very_objects_and_missing_while_nothing_is_open(
    environment: Callable[[], EnvironmentContext],
) -> None:
    assert not hasattr(alembic.context, "config")
    with environment() as outer:
        with environment() as inner:
            assert alembic.context.config is inner.config
            assert alembic.context.script is inner.script
        assert alembic.context.config is outer.config
        assert alembic.context.script is outer.script
    assert not hasattr(alembic.context, "config")
    assert not hasattr(alembic.context, "script")
    with pytest.raises(NameError, match="no migration is running"):
        alembic.context.is_offline_mode()


def test_operations_that_end_go_back_to_the_run_they_were_opened_in(
    environment: Callable[[], EnvironmentContext],
) -> None:
    own, other, stranger = operations(), migration_context(), environment()
    with routing.operations_of(own):
        contextvars.Context().run(stranger.__enter__)
        with Operations.context(other):
            assert op_here() is other
        assert op_here() is own.get_context()
        stranger.__exit__()
    with pytest.raises(NameError, match="no migration is running"):
        op_here()
    with Operations.context(other):
        assert op_here() is elsewhere(op_here) is other
    with pytest.raises(NameError, match="no migration is running"):
        elsewhere(op_here)


def test_operations_of_a_run_that_failed_end_with_its_environment(
    environment: Callable[[], EnvironmentContext],
) -> None:
    def fail() -> None:
        with environment(), Operations.context(migration_context()):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(NameError):
        op_here()
    with pytest.raises(NameError):
        elsewhere(op_here)


def test_a_thread_without_a_run_uses_the_innermost_and_none_while_strangers_are_open(
    environment: Callable[[], EnvironmentContext],
) -> None:
    def config() -> object:
        return alembic.context.config

    with environment(), environment() as inner, routing.operations_of(operations()):
        assert elsewhere(config) is inner.config
        assert elsewhere(op_here) is op_here()
        stranger = environment()
        contextvars.Context().run(stranger.__enter__)  # as a thread of its own does
        assert config() is inner.config
        with pytest.raises(AttributeError):
            elsewhere(config)
        with pytest.raises(NameError):
            elsewhere(op_here)
        here = contextvars.copy_context()
        assert elsewhere(lambda: here.run(op_here)) is op_here()
        stranger.__exit__()  # in another context than it was entered in, as fixtures may
        assert elsewhere(config) is inner.config


def test_what_is_put_into_proxy_by_hand_is_used_until_it_is_taken_out(
    environment: Callable[[], EnvironmentContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand, run = operations(), operations()
    monkeypatch.setattr(alembic.op, "_proxy", by_hand)
    assert op_here() is by_hand.get_context()
    with routing.operations_of(run):
        assert op_here() is run.get_context()
    assert op_here() is elsewhere(op_here) is by_hand.get_context()
    by_hand._remove_proxy()
    with pytest.raises(NameError):
        op_here()


def test_an_environment_that_was_open_before_headway_came_is_a_stranger_to_later_ones(
    environment: Callable[[], EnvironmentContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    early = environment()
    monkeypatch.setattr(alembic.context, "_proxy", early)
    routing.route()
    assert routing.alembics_own_environment() is early
    assert alembic.context.config is early.config
    with environment(), pytest.raises(NameError):
        elsewhere(routing.alembics_own_environment)
    early.__exit__()
    with pytest.raises(NameError, match="cannot be imported by hand"):
        routing.alembics_own_environment()


def test_routing_twice_changes_nothing(environment: Callable[[], EnvironmentContext]) -> None:
    before = ModuleClsProxy._install_proxy, ModuleClsProxy._remove_proxy, vars(alembic.op)["_proxy"]
    with environment() as opened:
        routing.route()
        assert alembic.context.config is opened.config
    assert before == (
        ModuleClsProxy._install_proxy,
        ModuleClsProxy._remove_proxy,
        vars(alembic.op)["_proxy"],
    )


def test_proxies_of_other_classes_are_alembics_own_affair() -> None:
    class Mine(ModuleClsProxy):
        plain = 7

        def answer(self) -> int:
            return 42

    namespace: dict[str, Any] = {"__name__": "mine"}
    Mine.create_module_class_proxy(namespace, namespace)
    mine = Mine()
    mine._install_proxy()
    assert (namespace["answer"](), namespace["plain"]) == (42, 7)
    mine._remove_proxy()
    assert namespace["_proxy"] is None
