"""What a server can do, asked of real ones: a primary, a hot standby, PgBouncer in each of its modes."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

import servers
from headway import CapabilityError, ConnectionFailedError, DatabaseURL, Migrator
from headway.capabilities import (
    MINIMUM_MAJOR,
    Capabilities,
    Pooling,
    checks_of,
    first_transaction_refused,
    pooling,
    probe,
    require_migratable,
    wanted_extensions,
)
from headway.database import create_engine
from headway.project import VersionTable
from headway.session import open_session
from tcpproxy import Fault, TcpProxy, Towards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import ProjectFolder

_TABLE = VersionTable()


@pytest.fixture(scope="module")
def primary(server_url: str) -> Iterator[servers.Postgres]:
    """A server of our own, of the major version under test: roles and poolers disturb nobody there."""
    with servers.postgres(like=server_url) as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary: servers.Postgres) -> Iterator[servers.Postgres]:
    """Its hot standby."""
    with servers.hot_standby(primary) as server:
        yield server


@pytest.fixture
def database(primary: servers.Postgres) -> Iterator[str]:
    """A superuser's URL of a fresh database on it."""
    name = f"d_{secrets.token_hex(6)}"
    _as_superuser(primary.url, f"CREATE DATABASE {name}")
    yield servers.sibling(primary.url, database=name)
    _as_superuser(primary.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def newcomer(database: str) -> Iterator[str]:
    """The same database's URL for a role with no rights but to connect, and a name that must be quoted."""
    role = f'new "{secrets.token_hex(4)}'
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        yield servers.sibling(database, user=role)
        connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _as_superuser(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _on_asyncpg(url: str, table: VersionTable = _TABLE) -> Capabilities:
    async def ask() -> Capabilities:
        async with open_session(DatabaseURL.parse(url)) as session:
            return await session.run(lambda connection: probe(connection, version_table=table))

    return anyio.run(ask)


def _on_psycopg(url: str, table: VersionTable = _TABLE) -> Capabilities:
    engine = sa.create_engine(
        DatabaseURL.parse(url).render().replace("postgresql:", "postgresql+psycopg:", 1)
    )
    try:
        with engine.connect() as connection:
            return probe(connection, version_table=table)
    finally:
        engine.dispose()


def _refusal(capabilities: Capabilities) -> tuple[str, str]:
    with pytest.raises(CapabilityError) as caught:
        require_migratable(capabilities)
    assert int(caught.value.exit_code) == 3
    assert "Nothing was changed" in caught.value.message
    assert caught.value.hint
    return caught.value.capability, caught.value.hint


drivers = pytest.mark.parametrize("ask", [_on_asyncpg, _on_psycopg], ids=["asyncpg", "psycopg"])


# -- directly connected ----------------------------------------------------------------------------------


@drivers
def test_a_superuser_on_a_primary_may_do_everything(
    ask: Callable[[str], Capabilities], database: str
) -> None:
    found = ask(database)
    require_migratable(found)
    assert found.pooling is Pooling.NONE
    assert (found.standby, found.read_only, found.superuser, found.can_create) == (False, False, True, True)
    assert found.database == DatabaseURL.parse(database).database
    assert (found.user, found.schema) == ("postgres", "public")
    assert found.transaction_status
    assert found.activity_visible
    assert found.can_signal
    assert "plpgsql" in found.extensions_installed
    assert "plpgsql" in found.extensions_available


def test_a_direct_connection_costs_one_question_and_leaves_no_transaction(database: str) -> None:
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:", 1))
    sent: list[str] = []
    with engine.connect() as connection:
        sa.event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))
        probe(connection, version_table=_TABLE)
        assert len(sent) == 1
        assert not connection.in_transaction()
        with psycopg.connect(database) as other:
            states = other.execute(
                "SELECT state FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
    engine.dispose()
    assert states == [("idle",)]


def test_an_older_server_is_refused_by_its_version(database: str) -> None:
    oldest = dataclasses.replace(_on_psycopg(database), server_version_num=MINIMUM_MAJOR * 10_000)
    require_migratable(oldest)
    older = dataclasses.replace(oldest, server_version="13.22", server_version_num=130_022)
    assert _refusal(older)[0] == "version"


# -- poolers ---------------------------------------------------------------------------------------------


@drivers
@pytest.mark.parametrize(
    ("mode", "settings", "expected"),
    [
        ("session", {}, Pooling.SESSION),
        ("session", {"server_round_robin": "1"}, Pooling.SESSION),
        ("session", {"server_lifetime": "0"}, Pooling.SESSION),
        ("session", {"server_reset_query": ""}, Pooling.UNKNOWN),
        ("session", {"default_pool_size": "1", "query_wait_timeout": "3"}, Pooling.UNKNOWN),
        ("transaction", {}, Pooling.TRANSACTION),
        ("transaction", {"server_round_robin": "1"}, Pooling.TRANSACTION),
        ("transaction", {"default_pool_size": "1"}, Pooling.TRANSACTION),
        ("transaction", {"server_lifetime": "0"}, Pooling.TRANSACTION),
    ],
    ids=str,
)
@pytest.mark.sampled(3)
def test_the_mode_of_a_pgbouncer_is_told(
    ask: Callable[[str], Capabilities],
    primary: servers.Postgres,
    mode: servers.PoolMode,
    settings: dict[str, str],
    expected: Pooling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if expected is Pooling.SESSION:
        monkeypatch.setattr(pooling, "_LOOKS", 6000)  # the pooler sends its reset when it gets to it
    with servers.pgbouncer(primary.url, mode=mode, settings=settings) as pooler:
        _warm(pooler, 1 if "default_pool_size" in settings else 4)
        found = ask(pooler.url())
    assert found.pooling is expected
    if expected is Pooling.SESSION:
        require_migratable(found)
    else:
        capability, hint = _refusal(found)
        assert capability == "session"
        assert "MIGRATION_DATABASE_URL" in hint
        assert "statement_cache_size" in hint


@drivers
def test_a_pool_of_one_is_not_waited_for_however_long_the_pooler_would(
    ask: Callable[[str], Capabilities], primary: servers.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pooling._ARRIVAL_S <= 10  # seconds in which a person does not think that it hangs
    monkeypatch.setattr(pooling, "_ARRIVAL_S", 1.0)
    endless = {"default_pool_size": "1", "query_wait_timeout": "0"}
    with servers.pgbouncer(primary.url, mode="session", settings=endless) as pooler:
        found = ask(pooler.url())
        assert found.pooling is Pooling.UNKNOWN
        assert _refusal(found)[0] == "session"
        # The witness is gone, or the pool's one process would be given to it and not to us.
        assert ask(pooler.url()).pooling is Pooling.UNKNOWN


def _warm(pooler: servers.PgBouncer, processes: int) -> None:
    """Let the pool hold several processes that nobody uses."""
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(psycopg.connect(pooler.url())).execute("SELECT 1")


@pytest.mark.parametrize(
    "settings", [{}, {"server_round_robin": "1"}, {"server_reset_query_always": "1"}], ids=str
)
def test_other_clients_resets_do_not_make_transaction_mode_look_like_sessions(
    primary: servers.Postgres, settings: dict[str, str]
) -> None:
    over = threading.Event()

    def traffic(url: str) -> None:
        while not over.is_set():
            with (
                contextlib.suppress(psycopg.Error),
                psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection,
            ):
                for _ in range(5):
                    connection.execute("BEGIN")
                    connection.execute("COMMIT")
                    connection.execute("DISCARD ALL")
                    over.wait(0.01)

    with servers.pgbouncer(primary.url, mode="transaction", settings=settings) as pooler:
        threads = [threading.Thread(target=traffic, args=[pooler.url()]) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            modes = {_on_psycopg(pooler.url()).pooling for _ in range(5)}
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert Pooling.SESSION not in modes
    assert Pooling.NONE not in modes


async def _connect(url: str) -> None:
    async with create_engine(DatabaseURL.parse(url)).connect():
        pass


@pytest.mark.parametrize(
    "connect", [lambda url: anyio.run(_connect, url), _on_psycopg], ids=["asyncpg", "psycopg"]
)
def test_statement_mode_is_refused_at_the_first_transaction(
    primary: servers.Postgres, connect: Callable[[str], object]
) -> None:
    with servers.pgbouncer(primary.url, mode="statement") as pooler:
        with pytest.raises(DBAPIError) as caught:
            connect(pooler.url())
        refusal = first_transaction_refused(caught.value, pooler.url(), lambda text: text)
    assert isinstance(refusal, CapabilityError)
    assert refusal.capability == "session"
    assert "statement pooling" in refusal.message
    assert "MIGRATION_DATABASE_URL" in str(refusal.hint)


def test_a_first_transaction_that_is_cut_short_is_not_taken_for_a_pooler(
    primary: servers.Postgres,
) -> None:
    async def look(url: str) -> None:
        async with open_session(DatabaseURL.parse(url)):
            pass

    with TcpProxy(primary.url) as proxy:
        proxy.rule(b"BEGIN", Towards.SERVER, Fault.CUT_BEFORE)
        with pytest.raises(ConnectionFailedError, match="was cut short"):
            anyio.run(look, proxy.url)
    assert proxy.struck.is_set()


def _wrapped(*causes: Exception) -> DBAPIError:
    """What SQLAlchemy makes of asyncpg's errors: its own, one of its driver's kind, and these behind it."""
    orig = error = Exception("its driver's kind")
    for cause in causes:
        error.__cause__ = error = cause
    return DBAPIError(None, None, orig)


@pytest.mark.parametrize(
    ("causes", "kind"),
    [
        ([asyncpg.InternalClientError("cannot switch to state 11")], ConnectionFailedError),
        ([asyncpg.InterfaceError("connection is closed")], ConnectionFailedError),
        ([ConnectionResetError()], ConnectionFailedError),
        ([asyncpg.ConnectionDoesNotExistError("a"), asyncpg.AdminShutdownError("b")], ConnectionFailedError),
        ([asyncpg.ConnectionDoesNotExistError("a"), asyncpg.ProtocolViolationError("b")], CapabilityError),
        ([asyncpg.InvalidSQLStatementNameError("a")], CapabilityError),
    ],
    ids=["mid-air", "closed", "reset", "shut down", "no transactions", "another process"],
)
def test_the_end_of_a_first_transaction_tells_a_server_that_went_from_a_pooler(
    causes: list[Exception], kind: type[Exception]
) -> None:
    assert type(first_transaction_refused(_wrapped(*causes), "db", str)) is kind


def test_an_engine_of_the_callers_that_keeps_one_connection_is_not_waited_for(
    primary: servers.Postgres,
) -> None:
    async def ask(url: str) -> Capabilities:
        engine = create_async_engine(
            url.replace("postgresql:", "postgresql+asyncpg:", 1),
            pool_size=1,
            max_overflow=0,
            connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0},
        )
        async with engine.connect() as connection:
            found = await connection.run_sync(lambda sync: probe(sync, version_table=_TABLE))
        await engine.dispose()
        return found

    with servers.pgbouncer(primary.url, mode="session") as pooler:
        assert anyio.run(ask, pooler.url()).pooling is Pooling.SESSION


# -- standby and read-only -------------------------------------------------------------------------------


def test_a_hot_standby_is_refused_as_one(standby: servers.Postgres) -> None:
    found = _on_asyncpg(standby.url)
    assert found.standby
    assert found.read_only
    assert found.pooling is Pooling.NONE
    capability, hint = _refusal(found)
    assert capability == "primary"
    assert "primary" in hint
    assert [check.name for check in checks_of(found) if not check.passed] == ["primary"]


@pytest.mark.parametrize(
    "scope", ["ROLE {role}", "DATABASE {database}", "ROLE {role} IN DATABASE {database}"]
)
def test_a_read_only_setting_is_refused_and_its_hint_undoes_it(newcomer: str, scope: str) -> None:
    url = DatabaseURL.parse(newcomer)
    admin = servers.sibling(newcomer, user="postgres")
    assert url.user
    role = '"' + url.user.replace('"', '""') + '"'
    place = scope.format(role=role, database=url.database)
    _as_superuser(admin, f"GRANT CREATE ON SCHEMA public TO {role}")
    _as_superuser(admin, f"ALTER {place} SET default_transaction_read_only = on")
    capability, hint = _refusal(_on_asyncpg(newcomer))
    assert capability == "writable"
    with psycopg.connect(
        admin, autocommit=True, options="-c default_transaction_read_only=off"
    ) as connection:
        connection.execute(hint.encode())
    require_migratable(_on_asyncpg(newcomer))


def test_a_read_only_setting_in_the_url_is_found_there(database: str) -> None:
    found = _on_asyncpg(f"{database}?options=-c%20default_transaction_read_only%3Don")
    assert found.read_only_source == "client"
    capability, hint = _refusal(found)
    assert capability == "writable"
    assert "URL" in hint


# -- privileges ------------------------------------------------------------------------------------------


def test_a_user_who_may_not_create_is_refused_and_the_hint_grants_it(newcomer: str) -> None:
    admin = servers.sibling(newcomer, user="postgres")
    found = _on_asyncpg(newcomer)
    assert not found.superuser
    capability, hint = _refusal(found)
    assert capability == "create"
    assert DatabaseURL.parse(newcomer).user in hint.replace('""', '"')  # type: ignore[operator]
    _as_superuser(admin, hint.partition("superuser: ")[2])
    require_migratable(_on_asyncpg(newcomer))


def test_a_schema_that_is_missing_is_refused_and_the_hint_creates_it(newcomer: str) -> None:
    table = VersionTable(schema="Ver sions")
    capability, hint = _refusal(_on_asyncpg(newcomer, table))
    assert capability == "create"
    _as_superuser(servers.sibling(newcomer, user="postgres"), hint.partition(": ")[2])
    found = _on_asyncpg(newcomer, table)
    require_migratable(found)
    assert found.schema == "Ver sions"


def test_a_search_path_that_leads_nowhere_is_refused(database: str) -> None:
    found = _on_asyncpg(f"{database}?options=-c%20search_path%3Dnowhere")
    assert found.schema is None
    assert _refusal(found)[0] == "create"


def test_a_version_table_that_may_not_be_written_is_refused_and_the_hint_grants_it(newcomer: str) -> None:
    admin = servers.sibling(newcomer, user="postgres")
    _as_superuser(admin, "CREATE TABLE alembic_version (version_num varchar(32))")
    found = _on_asyncpg(newcomer)
    assert found.can_write_versions is False
    _, hint = _refusal(found)
    _as_superuser(admin, hint.partition("superuser: ")[2])
    granted = _on_asyncpg(newcomer)
    assert granted.can_write_versions is True
    assert _refusal(granted)[0] == "create"
    require_migratable(granted, needs_create=False)


def test_the_need_of_a_privilege_to_see_and_to_cancel_others_is_told(newcomer: str) -> None:
    admin = servers.sibling(newcomer, user="postgres")
    found = _on_asyncpg(newcomer)
    assert (found.activity_visible, found.can_signal, found.locks_visible) == (False, False, True)
    role = sql.Identifier(DatabaseURL.parse(newcomer).user or "")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("GRANT pg_monitor, pg_signal_backend TO {}").format(role))
    found = _on_asyncpg(newcomer)
    assert (found.activity_visible, found.can_signal) == (True, True)


# -- refusals change nothing -----------------------------------------------------------------------------


def _catalogue(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT 'relation', relname::text FROM pg_class UNION ALL SELECT 'schema', nspname::text "
            "FROM pg_namespace UNION ALL SELECT 'lock', pid::text FROM pg_locks WHERE locktype = 'advisory' "
            "ORDER BY 1, 2"
        ).fetchall()


def _upgrade_is_refused(project: ProjectFolder, url: str, capability: str) -> None:
    async def upgrade() -> None:
        async with Migrator(project.ini, url=url) as migrator:
            await migrator.upgrade()

    with pytest.raises(CapabilityError) as caught:
        anyio.run(upgrade)
    assert caught.value.capability == capability


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_an_upgrade_through_a_pooler_that_shares_is_refused_and_changes_nothing(
    project: ProjectFolder, database: str, mode: servers.PoolMode
) -> None:
    project.tables("users")
    before = _catalogue(database)
    with servers.pgbouncer(database, mode=mode) as pooler:
        _upgrade_is_refused(project, pooler.url(), "session")
        assert _catalogue(database) == before


def test_an_upgrade_without_the_privilege_is_refused_and_changes_nothing(
    project: ProjectFolder, newcomer: str
) -> None:
    project.tables("users")
    admin = servers.sibling(newcomer, user="postgres")
    before = _catalogue(admin)
    _upgrade_is_refused(project, newcomer, "create")
    assert _catalogue(admin) == before


def test_an_upgrade_on_a_standby_is_refused(project: ProjectFolder, standby: servers.Postgres) -> None:
    project.tables("users")
    before = _catalogue(standby.url)
    _upgrade_is_refused(project, standby.url, "primary")
    assert _catalogue(standby.url) == before


def test_an_upgrade_through_a_session_pooler_runs(project: ProjectFolder, database: str) -> None:
    project.tables("users")

    async def upgrade(url: str) -> tuple[str, ...]:
        async with Migrator(project.ini, url=url) as migrator:
            return (await migrator.upgrade()).after

    with servers.pgbouncer(database, mode="session") as pooler:
        assert anyio.run(upgrade, pooler.url()) == ("r1",)


# -- extensions ------------------------------------------------------------------------------------------


_WANTS = r"""
op.execute('CREATE EXTENSION in_module')
def helper():
    op.execute('CREATE EXTENSION in_helper')
def upgrade():
    '''CREATE EXTENSION in_a_docstring'''
    with op.get_context().autocommit_block():
        op.execute(sa.text('CREATE EXTENSION IF NOT EXISTS Vector').execution_options())
    op.execute('\ncreate  extension ' '"uuid-ossp" WITH SCHEMA x')
    op.execute(f'CREATE EXTENSION {name}')
    op.execute(f'CREATE EXTENSION pg_{name}')
    op.execute('CREATE EXTENSION pg_' + name)
    op.execute('CREATE EXTENSION "{}"'.format(name))
    op.execute('DROP EXTENSION hstore')
    headway.op.create_extension('Citext')
    headway.op.create_extension(name)
    headway.op.drop_extension('ltree')
    op.execute('DO $$ BEGIN CREATE EXTENSION in_block; END $$')
    if name:
        op.execute('CREATE EXTENSION conditional')
    try:
        op.execute('CREATE EXTENSION tried')
    except Exception:
        pass
def downgrade():
    op.execute('CREATE EXTENSION undone')
"""


def test_the_extensions_that_revisions_are_sure_to_create_are_read_without_running_them(
    tmp_path: Path,
) -> None:
    path, again, early = (tmp_path / name for name in ("r1.py", "r2.py", "early.py"))
    path.write_text(f"raise SystemExit\n{_WANTS}")
    again.write_text("def upgrade():\n    op.execute('CREATE EXTENSION vector')\n")
    early.write_text("def upgrade():\n    if x:\n        return\n    op.execute('CREATE EXTENSION early')\n")
    broken = tmp_path / "broken.py"
    broken.write_text("def upgrade():\n    op.execute('CREATE EXTENSION lost'")
    files = {"r1": path, "r2": again, "r3": early, "r4": broken, "r5": tmp_path / "absent.py"}
    assert wanted_extensions(files) == {
        "Citext": ("r1",),
        "uuid-ossp": ("r1",),
        "vector": ("r1", "r2"),
    }
    assert wanted_extensions({}) == {}


def test_an_extension_is_refused_unless_the_server_has_it_or_pg_tle_may_provide_it(database: str) -> None:
    found = _on_psycopg(database)
    require_migratable(found, wanted={"plpgsql": ("r1",)})
    with pytest.raises(CapabilityError, match="r1, r2 creates the extension nobody_has_this"):
        require_migratable(found, wanted={"nobody_has_this": ("r1", "r2")})
    installed = dataclasses.replace(found, extensions_installed=("pg_tle",))
    require_migratable(installed, wanted={"nobody_has_this": ("r1",)})
    gone = dataclasses.replace(found, extensions_available=(), extensions_installed=("vector",))
    require_migratable(gone, wanted={"vector": ("r1",)})
