"""Fixtures that give each test a migrated PostgreSQL database of its own, and the plugin that brings them.

The plugin costs nothing while no test asks for a database: it imports pytest and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from headway.migrator import Migrator
    from headway.testing.suite import Database, Suite
    from headway.testing.wishes import Wishes

PROVIDERS = ("url", "docker", "embedded")
ISOLATIONS = ("clone", "reset", "savepoint")

_wishes = pytest.StashKey["Wishes"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and the ini values."""
    group = parser.getgroup("headway", "headway: a migrated PostgreSQL for every test")
    group.addoption("--headway-database-url", metavar="URL", help="the server to make the test databases on")
    group.addoption("--headway-provider", choices=PROVIDERS, help="where the server comes from, and no other")
    group.addoption("--headway-image", metavar="IMAGE", help="the container's image, for Docker")
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
    node.workerinput["headway"] = wishes_of(node.config).packed()


def wishes_of(config: pytest.Config) -> Wishes:
    """What this suite asks for; decided once, by xdist's controller where there is one."""
    if _wishes not in config.stash:
        from headway.testing.decision import decide

        config.stash[_wishes] = decide(config)
    return config.stash[_wishes]


@pytest.fixture(scope="session")
def _headway_suite(pytestconfig: pytest.Config) -> Iterator[Suite]:
    from headway.testing.suite import open_suite

    with open_suite(wishes_of(pytestconfig)) as suite:
        yield suite


@pytest.fixture
def headway_database(request: pytest.FixtureRequest, _headway_suite: Suite) -> Iterator[Database]:
    """The test's own database: its name, its URLs."""
    from headway.testing.decision import wish_of

    wish = wish_of(request.node, _headway_suite.wishes)
    with _headway_suite.database(request.node.nodeid, wish.isolation, wish.revision) as database:
        yield database


@pytest.fixture
def headway_database_url(headway_database: Database) -> str:
    """The URL of the test's database, as ``create_async_engine`` takes it."""
    return headway_database.url


@pytest.fixture
def headway_engine(headway_database: Database) -> Iterator[AsyncEngine]:
    """An ``AsyncEngine`` on the test's database; it works on whichever loop the test runs."""
    from headway.testing.engines import Handouts

    handouts = Handouts(headway_database.location)
    try:
        yield handouts.engine()
    finally:
        handouts.close()


@pytest.fixture
def headway_session(headway_database: Database) -> Iterator[AsyncSession]:
    """An ``AsyncSession`` on the test's database; rolled back and closed when the test ends."""
    from headway.testing.engines import Handouts

    handouts = Handouts(headway_database.location)
    try:
        yield handouts.session(handouts.engine())
    finally:
        handouts.close()


@pytest.fixture
def headway_migrator(headway_database: Database, _headway_suite: Suite) -> Migrator:
    """A ``Migrator`` on the test's database, which is empty unless the marker names a revision."""
    from headway.migrator import Migrator

    return Migrator(_headway_suite.project, url=headway_database.dsn, environment="development")
