"""Fixtures that give each test a migrated PostgreSQL database of its own, and the plugin that brings them.

The plugin costs nothing while no test asks for a database: it imports pytest and no more, and everything
else when it is first used.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from headway.migrator import Migrator
    from headway.testing.lent import Database
    from headway.testing.suite import AnyHandouts, AnySuite
    from headway.testing.wishes import Wishes

PROVIDERS = ("url", "docker", "embedded", "sqlite")
ISOLATIONS = ("clone", "reset", "savepoint")

_WISHES = pytest.StashKey["Wishes"]()
_FAILED = pytest.StashKey[bool]()
_DATABASE = pytest.StashKey["Database"]()
_SERVER = pytest.StashKey[str]()
_SHOWN = pytest.StashKey[bool]()
_KEPT = pytest.StashKey["Sequence[str]"]()
_CLONES = pytest.StashKey[int]()

_OPTIONS = ("headway_database_url", "headway_provider", "headway_image", "headway_isolation", "headway_keep")
_ROOT_FIXTURE = "_headway_suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and the ini values."""
    group = parser.getgroup("headway", "headway: a migrated PostgreSQL for every test")
    group.addoption("--headway-database-url", metavar="URL", help="the server to make the test databases on")
    group.addoption("--headway-provider", choices=PROVIDERS, help="where the server comes from, and no other")
    group.addoption(
        "--headway-image", metavar="IMAGE", help="the image of the container, which is then started"
    )
    group.addoption("--headway-isolation", choices=ISOLATIONS, help="how a test gets a clean database")
    group.addoption("--headway-keep", action="store_true", help="keep the databases of failing tests")
    group.addoption("--headway-drop-kept", action="store_true", help="drop those that earlier runs kept")
    group.addoption("--headway-rebuild", action="store_true", help="run the migrations anew for the template")
    parser.addini(
        "headway_config", "alembic.ini, pyproject.toml or their folder; found from rootdir when unset"
    )
    parser.addini("headway_database_url", "as --headway-database-url")
    parser.addini("headway_provider", "as --headway-provider")
    parser.addini("headway_image", "as --headway-image")
    parser.addini("headway_isolation", "as --headway-isolation; reset when unset")
    group.addoption("--headway-checks", metavar="NAMES", help="checks of the migrations: all, or their names")
    parser.addini("headway_checks", "as --headway-checks; none when unset", type="args")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "headway(revision=…, isolation=…): the schema as of a revision, and how the test gets its database",
    )
    config.addinivalue_line("markers", "headway_checks: the checks of the migrations, which headway adds")
    if config.getoption("headway_checks") or config.getini("headway_checks"):
        from headway.testing.collection import ChecksPlugin

        plugin = ChecksPlugin(config, partial(_wishes_of, config))
        config.pluginmanager.register(plugin, "headway-checks")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist what this process, its controller, has decided."""
    node.workerinput["headway"] = _wishes_of(node.config).packed()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Learn from a worker which server it has used."""
    told = getattr(node, "workeroutput", {}).get("headway")
    if told is not None:
        node.config.stash[_SERVER], node.config.stash[_KEPT] = told


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which server it is where the command line says anything about one."""
    said = any(config.getoption(name) for name in _OPTIONS)
    return _which_server(config) if said and not config.option.collectonly else None


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> str | None:
    """The same where the command line says nothing, once a test is seen to ask for a database."""
    if _SERVER in config.stash or config.option.collectonly:  # an editor that lists tests needs no server
        return None
    if hasattr(config, "workerinput"):  # a worker's fault here would end all without a word of the reason
        return None
    asked = any(_ROOT_FIXTURE in getattr(item, "fixturenames", ()) for item in items)
    return _which_server(config) if asked else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The same for xdist's controller, which collects nothing itself; and what was kept."""
    server, kept = config.stash.get(_SERVER, None), config.stash.get(_KEPT, ())
    if server is not None and not config.stash.get(_SHOWN, False):
        terminalreporter.write_line(server)
    if kept:
        terminalreporter.write_line(f"headway: kept, until --headway-drop-kept: {', '.join(kept)}")


def _which_server(config: pytest.Config) -> str:
    from headway.errors import HeadwayError
    from headway.testing.telling import which_server

    try:
        line = f"headway: {which_server(_wishes_of(config))}"
    except HeadwayError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_SHOWN], config.stash[_SERVER] = True, line
    return line


def _wishes_of(config: pytest.Config) -> Wishes:
    """What this suite asks for; decided once, by xdist's controller where there is one."""
    if _WISHES not in config.stash:
        from headway.errors import HeadwayError
        from headway.testing import decision

        try:
            config.stash[_WISHES] = decision.made(config)
        except HeadwayError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_WISHES]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:  # noqa: ARG001  # the hook's signature
    """Remember what failed, and say where its databases will be found: its own, its module's and suite's."""
    report = yield
    for node in item.listchain() if report.failed else ():
        database = node.stash.get(_DATABASE, None)
        if database is None:
            continue
        node.stash[_FAILED] = True
        # When its teardown fails, the test's own is gone already.
        if _wishes_of(item.config).keep and report.when != "teardown":
            from headway.testing.telling import how_to_reach

            lines = how_to_reach(database, _wishes_of(item.config).provider)
            report.sections.append(("headway: the database is kept", lines))
    return report


@contextmanager
def _plainly() -> Iterator[None]:
    """What went wrong, without a traceback through code that is none of the test's."""
    from headway.errors import HeadwayError

    try:
        yield
    except HeadwayError as error:
        problem = str(error)
    else:
        return
    raise pytest.fail.Exception(problem, pytrace=False) from None


@pytest.fixture(scope="session")
def _headway_suite(pytestconfig: pytest.Config) -> Iterator[AnySuite]:
    from headway.testing.suite import open_any

    with _plainly(), open_any(_wishes_of(pytestconfig)) as suite:
        yield suite
    pytestconfig.stash[_KEPT] = suite.kept
    told = (f"headway: {suite.label}", [*suite.kept])
    getattr(pytestconfig, "workeroutput", {})["headway"] = told


@contextmanager
def _database(request: pytest.FixtureRequest, suite: AnySuite, *, shared: bool) -> Iterator[Database]:
    """A database for a test, or one for all of a module or session: then always a clone of its own."""
    from headway.testing.decision import wish_of

    node, wishes = request.node, suite.wishes
    with _plainly():
        wish = wish_of(node, wishes, shared=shared)
        with suite.database(
            node.nodeid or "suite",
            wish.isolation,
            wish.revision,
            more=wish.isolation == "clone" and not shared and _more_clones(request, wishes),
            keep=lambda: wishes.keep and node.stash.get(_FAILED, False),
        ) as database:
            node.stash[_DATABASE] = database
            yield database


def _more_clones(request: pytest.FixtureRequest, wishes: Wishes) -> bool:
    """Whether this process is going to need further clones, as far as can be told of a worker's share."""
    from headway.testing.decision import wants_clone

    stash = request.config.stash
    if _CLONES not in stash:
        workers = getattr(request.config, "workerinput", {}).get("workercount", 1)
        asking = (it for it in request.session.items if _ROOT_FIXTURE in getattr(it, "fixturenames", ()))
        stash[_CLONES] = sum(wants_clone(item, wishes) for item in asking) // workers
    stash[_CLONES] -= 1
    return stash[_CLONES] > 0


@contextmanager
def _handouts(request: pytest.FixtureRequest, suite: AnySuite, database: Database) -> Iterator[AnyHandouts]:
    _refuse_other_loops(request)
    handouts = suite.handouts(database)
    try:
        yield handouts
    finally:
        handouts.close()


def _refuse_other_loops(request: pytest.FixtureRequest) -> None:
    """Asyncpg works on asyncio alone; on trio it would fail with words that name neither."""
    if request.scope == "function" and "anyio_backend" in request.fixturenames:
        name = request.getfixturevalue("anyio_backend_name")
        if name != "asyncio":
            pytest.fail(
                f"headway's engines work on asyncio, and this test runs on {name}\n"
                'hint: @pytest.fixture def anyio_backend(): return "asyncio"',
                pytrace=False,
            )


@pytest.fixture
def headway_database(request: pytest.FixtureRequest, _headway_suite: AnySuite) -> Iterator[Database]:
    """The test's own database: its name, and its URLs."""
    with _database(request, _headway_suite, shared=False) as database:
        yield database


@pytest.fixture
def _headway_handouts(
    request: pytest.FixtureRequest, headway_database: Database, _headway_suite: AnySuite
) -> Iterator[AnyHandouts]:
    with _handouts(request, _headway_suite, headway_database) as handouts:
        yield handouts


@pytest.fixture
def headway_database_url(headway_database: Database) -> str:
    """The URL of the test's database, as ``create_async_engine`` takes it."""
    return headway_database.url


@pytest.fixture
def headway_engine(_headway_handouts: AnyHandouts) -> AsyncEngine:
    """An ``AsyncEngine`` on the test's database; it works on whichever loop the test runs."""
    return _headway_handouts.engine


@pytest.fixture
def headway_session(_headway_handouts: AnyHandouts) -> AsyncSession:
    """An ``AsyncSession`` on the test's database; what is not committed is rolled back when the test ends."""
    return _headway_handouts.session()


@pytest.fixture
def headway_migrator(
    request: pytest.FixtureRequest, headway_database: Database, _headway_suite: AnySuite
) -> Migrator:
    """A ``Migrator`` on the test's database, which is empty unless the marker names a revision."""
    _refuse_other_loops(request)
    return _headway_suite.migrator(headway_database)


@pytest.fixture(scope="module")
def headway_module_database(request: pytest.FixtureRequest, _headway_suite: AnySuite) -> Iterator[Database]:
    """A database that the tests of a module share, with what they commit to it."""
    with _database(request, _headway_suite, shared=True) as database:
        yield database


@pytest.fixture(scope="module")
def headway_module_database_url(headway_module_database: Database) -> str:
    """The URL of the module's database."""
    return headway_module_database.url


@pytest.fixture(scope="module")
def headway_module_engine(
    request: pytest.FixtureRequest, headway_module_database: Database, _headway_suite: AnySuite
) -> Iterator[AsyncEngine]:
    """An ``AsyncEngine`` on the module's database; it works on any loop."""
    with _handouts(request, _headway_suite, headway_module_database) as handouts:
        yield handouts.engine


@pytest.fixture(scope="module")
def headway_module_migrator(headway_module_database: Database, _headway_suite: AnySuite) -> Migrator:
    """A ``Migrator`` on the module's database, which is at head unless the module's marker says otherwise."""
    return _headway_suite.migrator(headway_module_database)


@pytest.fixture(scope="session")
def headway_suite_database(request: pytest.FixtureRequest, _headway_suite: AnySuite) -> Iterator[Database]:
    """A database that all tests of a process share, with what they commit to it."""
    with _database(request, _headway_suite, shared=True) as database:
        yield database


@pytest.fixture(scope="session")
def headway_suite_database_url(headway_suite_database: Database) -> str:
    """The URL of the process's database."""
    return headway_suite_database.url


@pytest.fixture(scope="session")
def headway_suite_engine(
    request: pytest.FixtureRequest, headway_suite_database: Database, _headway_suite: AnySuite
) -> Iterator[AsyncEngine]:
    """An ``AsyncEngine`` on the process's database; it works on any loop."""
    with _handouts(request, _headway_suite, headway_suite_database) as handouts:
        yield handouts.engine
