"""A real PostgreSQL for every test that asks: the embedded one, or the one HEADWAY_TEST_SERVER_URL names."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import sys
import tempfile
import textwrap
from collections import Counter
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from headway import DatabaseURL, RefusedError, embedded
from headway.settings import LIMITS
from marked_secret import MarkedSecret, Watch, password_of_this_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import LiteralString

sys.path.append(str(Path(__file__).parent / "faults"))
pytest_plugins = ["fault_suite"]

SERVER_VARIABLE = "HEADWAY_TEST_SERVER_URL"

ENV_PY = """\
from headway import env
{preamble}
env.run({arguments})
"""

INI = """\
[alembic]
script_location = %(here)s/alembic
prepend_sys_path = %(here)s
path_separator = os
file_template = %%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(rev)s_%%(slug)s
timezone = UTC
"""

TEMPLATE = '''\
"""${message}"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
'''


_ROOM_IN_MEMORY = 4 * 1024**3  # bytes

_watch = pytest.StashKey[Watch]()
_collected = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    named = os.environ.get(SERVER_VARIABLE)
    secret = DatabaseURL.parse(named).password if named else None
    password = secret.get_secret_value() if secret else None
    config.stash[_watch] = Watch(password if named else password_of_this_run())
    config.pluginmanager.register(MarkedSecret(config.stash[_watch]), "marked-secret")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark as slow what a sample of a test's cases leaves out (``sampled`` in ``pyproject.toml``)."""
    sampled = item.get_closest_marker("sampled")
    if sampled is not None:
        name, numbers = item.nodeid.partition("[")[0], item.config.stash.setdefault(_collected, Counter())
        if numbers[name] % sampled.args[0]:
            item.add_marker(pytest.mark.slow)
        numbers[name] += 1


@dataclass
class ProjectFolder:
    """A small Alembic project in a folder of its own."""

    root: Path

    def __post_init__(self) -> None:
        self.versions.mkdir(parents=True, exist_ok=True)
        self.ini.write_text(INI, encoding="utf-8")
        (self.root / "alembic" / "script.py.mako").write_text(TEMPLATE, encoding="utf-8")
        self.env()

    @property
    def ini(self) -> Path:
        return self.root / "alembic.ini"

    @property
    def versions(self) -> Path:
        return self.root / "alembic" / "versions"

    def env(self, arguments: str = "", preamble: str = "") -> None:
        text = ENV_PY.format(arguments=arguments, preamble=textwrap.dedent(preamble))
        path = self.root / "alembic" / "env.py"
        path.write_text(text, encoding="utf-8")
        # Bytecode of one that was as long and is not a second older would pass for this one's.
        Path(cache_from_source(str(path))).unlink(missing_ok=True)

    def revision(
        self,
        id_: str,
        parent: str | Sequence[str] | None = None,
        *,
        upgrade: str = "pass",
        downgrade: str = "pass",
        doc: str = "",
    ) -> Path:
        """Write a revision file; ``upgrade`` and ``downgrade`` are bodies of Python."""
        parent = tuple(parent) if isinstance(parent, list) else parent
        path = self.versions / f"{id_}.py"
        path.write_text(
            f'"""{doc or id_}"""\n\nfrom alembic import context, op\nimport sqlalchemy as sa\n\n'
            f"revision = {id_!r}\ndown_revision = {parent!r}\n\n\n"
            f"def upgrade():\n{textwrap.indent(textwrap.dedent(upgrade), '    ')}\n\n\n"
            f"def downgrade():\n{textwrap.indent(textwrap.dedent(downgrade), '    ')}\n",
            encoding="utf-8",
        )
        return path

    def tables(self, *names: str) -> None:
        """Write a chain of revisions ``r1``, ``r2``, … that create one table each."""
        for number, name in enumerate(names, start=1):
            self.revision(
                f"r{number}",
                f"r{number - 1}" if number > 1 else None,
                upgrade=f"op.create_table({name!r}, sa.Column('id', sa.Integer, primary_key=True))",
                downgrade=f"op.drop_table({name!r})",
                doc=f"create {name}",
            )


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """An empty project: alembic.ini, env.py on headway.env, a template, no revisions."""
    return ProjectFolder(tmp_path / "project")


@pytest.fixture
def checkout() -> Iterator[Path]:
    """An empty folder in which an embedded server may run; it is ended and removed with the folder.

    Not under pytest's own folders: when we are root they are closed to the user that the server runs as.
    """
    folder = Path(tempfile.mkdtemp(prefix="headway-checkout-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        embedded.reset(folder / ".headway" / "postgres", force=True)
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name in {"DATABASE_URL", "MIGRATION_DATABASE_URL", "APP_ENVIRONMENT", *LIMITS} or name.startswith(
            "APP_DATABASE"
        ):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def watch(pytestconfig: pytest.Config) -> Watch:
    """Looks for the marked password (see ``marked_secret``)."""
    return pytestconfig.stash[_watch]


@pytest.fixture(scope="session")
def server_url(watch: Watch) -> Iterator[str]:
    """A superuser's URL on the server under test; all workers of a run share the embedded one."""
    named = os.environ.get(SERVER_VARIABLE)
    if named:
        yield named
        return
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", secrets.token_hex(6))
    # Not under pytest's own folders: they are closed to the user that the server runs as when we are root.
    shared = _fastest_folder() / f"headway-tests-{run}"
    shared.mkdir(mode=0o755, exist_ok=True)
    with _served(shared / "server") as lease:
        yield watch.marked(lease.url)
        home = embedded.status(shared / "server").data_directory.parent
        watch.look("log of the test server", (home / "server.log").read_bytes())
    with contextlib.suppress(RefusedError, OSError):  # another worker still uses it, and will clean up
        embedded.reset(shared / "server")
        shared.rmdir()


def _fastest_folder() -> Path:
    """Memory, where there is room for the databases of a run and their log: each test creates one or more."""
    memory = Path("/dev/shm")  # noqa: S108  # the folder that we make there is ours
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_IN_MEMORY:
        return memory
    return Path(tempfile.gettempdir())


@contextlib.contextmanager
def _served(directory: Path) -> Iterator[embedded.Lease]:
    with embedded.acquire(directory) as lease:
        with psycopg.connect(lease.url, autocommit=True) as connection:
            # A test database is worth no wait for the disk.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield lease


@pytest.fixture
def database_urls(server_url: str, watch: Watch) -> Iterator[Sequence[str]]:
    """Eight fresh, empty databases' URLs."""
    with _databases(server_url, watch, 8) as urls:
        yield urls


@pytest.fixture
def database_url(server_url: str, watch: Watch) -> Iterator[str]:
    """A fresh, empty database's URL."""
    with _databases(server_url, watch, 1) as urls:
        yield urls[0]


@contextlib.contextmanager
def _databases(server_url: str, watch: Watch, count: int) -> Iterator[list[str]]:
    names = [f"headway_t_{secrets.token_hex(6)}" for _ in range(count)]
    server = DatabaseURL.parse(server_url)
    urls = [dataclasses.replace(server, database=name).render() for name in names]
    _each(server_url, names, "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'")
    try:
        yield urls
        for url in urls:
            watch.look_into_database(url)
    finally:
        _each(server_url, names, "DROP DATABASE {} WITH (FORCE)")


def _each(server_url: str, names: Sequence[str], statement: LiteralString) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
