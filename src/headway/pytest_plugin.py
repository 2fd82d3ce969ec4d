"""Fixtures that give each test a migrated PostgreSQL database of its own, and the plugin that brings them.

The plugin costs nothing while no test asks for a database: it imports pytest and no more, and everything
else when it is first used.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from headway.migrator import Migrator
    from headway.testing.engines import Handouts
    from headway.testing.suite import Database, Suite
    from headway.testing.wishes import Wishes

PROVIDERS = ("url", "docker", "embedded")
ISOLATIONS = ("clone", "reset", "savepoint")

_WISHES = pytest.StashKey["Wishes"]()
_FAILED = pytest.StashKey[bool]()
_DATABASE = pytest.StashKey["Database"]()
_CLONES = pytest.StashKey[int]()


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
    parser.addini(
        "headway_config", "alembic.ini, pyproject.toml or their folder; found from rootdir when unset"
    )
    parser.addini("headway_database_url", "as --headway-database-url")
    parser.addini("headway_provider", "as --headway-provider")
    parser.addini("headway_image", "as --headway-image")
    parser.addini("headway_isolation", "as --headway-isolation; reset when unset")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "headway(revision=…, isolation=…): the schema as of a revision, and how the test gets its database",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist what this process, its controller, has decided."""
    node.workerinput["headway"] = _wishes_of(node.config).packed()


def _wishes_of(config: pytest.Config) -> Wishes:
    """What this suite asks for; decided once, by xdist's controller where there is one."""
    if _WISHES not in config.stash:
        from headway.errors import HeadwayError
        from headway.testing.decision import decide
        from headway.testing.wishes import Wishes as Unpacked

        worker = getattr(config, "workerinput", None)
        if worker is not None:
            config.stash[_WISHES] = Unpacked.unpacked(worker["headway"], worker=worker["workerid"])
        else:
            try:
                config.stash[_WISHES] = decide(config)
            except HeadwayError as error:
                raise pytest.UsageError(str(error)) from None
    return config.stash[_WISHES]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:  # noqa: ARG001  # the hook's signature
    """Remember what failed, and say where its database will be found."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        database = item.stash.get(_DATABASE, None)
        if database is not None and _wishes_of(item.config).keep and report.when != "teardown":
            from headway.testing.keeping import how_to_reach

            report.sections.append(("headway: the database is kept", how_to_reach(database)))
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
    pytest.fail(problem, pytrace=False)


@pytest.fixture(scope="session")
def _headway_suite(pytestconfig: pytest.Config) -> Iterator[Suite]:
    from headway.testing.suite import open_suite

    with _plainly(), open_suite(_wishes_of(pytestconfig)) as suite:
        yield suite


@pytest.fixture
def headway_database(request: pytest.FixtureRequest, _headway_suite: Suite) -> Iterator[Database]:
    """The test's own database: its name, and its URLs."""
    from headway.testing.decision import wish_of

    item, wishes = request.node, _headway_suite.wishes
    with _plainly():
        wish = wish_of(item, wishes)
        with _headway_suite.database(
            item.nodeid,
            wish.isolation,
            wish.revision,
            more=wish.isolation == "clone",
            keep=lambda: wishes.keep and item.stash.get(_FAILED, False),
        ) as database:
            item.stash[_DATABASE] = database
            yield database


@pytest.fixture
def _headway_handouts(
    request: pytest.FixtureRequest, headway_database: Database, _headway_suite: Suite
) -> Iterator[Handouts]:
    _refuse_other_loops(request)
    handouts = _headway_suite.handouts(headway_database)
    try:
        yield handouts
    finally:
        handouts.close()


def _refuse_other_loops(request: pytest.FixtureRequest) -> None:
    """Asyncpg works on asyncio alone; on trio it would fail with words that name neither."""
    if "anyio_backend" in request.fixturenames:
        name = request.getfixturevalue("anyio_backend_name")
        if name != "asyncio":
            pytest.fail(
                f"headway's engines work on asyncio, and this test runs on {name}\n"
                'hint: @pytest.fixture def anyio_backend(): return "asyncio"',
                pytrace=False,
            )


@pytest.fixture
def headway_database_url(headway_database: Database) -> str:
    """The URL of the test's database, as ``create_async_engine`` takes it."""
    return headway_database.url


@pytest.fixture
def headway_engine(_headway_handouts: Handouts) -> AsyncEngine:
    """An ``AsyncEngine`` on the test's database; it works on whichever loop the test runs."""
    return _headway_handouts.engine


@pytest.fixture
def headway_session(_headway_handouts: Handouts) -> AsyncSession:
    """An ``AsyncSession`` on the test's database; what is not committed is rolled back when the test ends."""
    return _headway_handouts.session()


@pytest.fixture
def headway_migrator(
    request: pytest.FixtureRequest, headway_database: Database, _headway_suite: Suite
) -> Migrator:
    """A ``Migrator`` on the test's database, which is empty unless the marker names a revision."""
    from headway.migrator import Migrator

    _refuse_other_loops(request)
    return Migrator(_headway_suite.project, url=headway_database.dsn, environment="development")
