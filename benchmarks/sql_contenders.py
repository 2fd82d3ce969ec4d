"""Programs whose migrations are SQL: Django's by RunSQL, yoyo's, dbmate's; and psql, which is the limit."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from headway.embedded.binaries import locate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chain import Chain

    from headway import DatabaseURL


def libpq_variables(url: DatabaseURL) -> dict[str, str]:
    """A URL as the environment that libpq and its drivers read."""
    host, port = url.hosts[0]
    named = {"PGHOST": host, "PGPORT": str(port), "PGUSER": url.user, "PGDATABASE": url.database}
    password = url.password.get_secret_value() if url.password else None
    return {name: value for name, value in (named | {"PGPASSWORD": password}).items() if value}


@dataclass(frozen=True)
class Django:
    """``migrate``, with a migration for each revision."""

    name: str = "Django"
    _SETTINGS = """\
import os

SECRET_KEY = "-"
INSTALLED_APPS = ["chain"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
"""
    _MIGRATION = """\
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = {dependencies!r}
    operations = [migrations.RunSQL({script!r}, migrations.RunSQL.noop)]
"""

    def lacks(self) -> str | None:
        return None if find_spec("django") else "the package Django is not installed"

    def prepare(self, folder: Path, chain: Chain) -> None:
        migrations = folder / "chain" / "migrations"
        migrations.mkdir(parents=True)
        (folder / "chain_settings.py").write_text(self._SETTINGS)
        for package in (migrations, migrations.parent):
            (package / "__init__.py").touch()
        for number, script in enumerate(chain.scripts):
            dependencies = [("chain", f"r{number - 1:05}")] if number else []
            text = self._MIGRATION.format(dependencies=dependencies, script=script)
            (migrations / f"r{number:05}.py").write_text(text)

    def words(self, folder: Path) -> list[str | Path]:  # noqa: ARG002  # as the protocol has it
        return [sys.executable, "-m", "django", "migrate"]

    def env(self, url: DatabaseURL) -> Mapping[str, str]:
        return libpq_variables(url) | {"DJANGO_SETTINGS_MODULE": "chain_settings"}


@dataclass(frozen=True)
class Yoyo:
    """``apply`` on psycopg2, with a file for each revision."""

    name: str = "yoyo"

    def lacks(self) -> str | None:
        missing = [name for name in ("yoyo", "psycopg2") if not find_spec(name)]
        return (
            f"the packages yoyo-migrations and psycopg2 are needed ({missing[0]} is not installed)"
            if missing
            else None
        )

    def prepare(self, folder: Path, chain: Chain) -> None:
        (folder / "migrations").mkdir(parents=True)
        for number, script in enumerate(chain.scripts):
            (folder / "migrations" / f"r{number:05}.sql").write_text(script)

    def words(self, folder: Path) -> list[str | Path]:  # noqa: ARG002  # as the protocol has it
        words = ["apply", "--batch", "--no-config-file", "--database", "postgresql://", "migrations"]
        return [sys.executable, "-c", "from yoyo.scripts.main import main; main()", *words]

    def env(self, url: DatabaseURL) -> Mapping[str, str]:
        return libpq_variables(url)


@dataclass(frozen=True)
class Dbmate:
    """``migrate``, with a file for each revision."""

    name: str = "dbmate"

    def lacks(self) -> str | None:
        return (
            None
            if self.binary()
            else "its binary is neither in .venv (`make bench` puts it there by npm) nor on PATH"
        )

    @staticmethod
    def binary() -> str | None:
        """The binary itself: what npm links to starts Node.js first."""
        packaged = Path(sys.prefix, "dbmate", "node_modules", "@dbmate").glob("*/bin/dbmate")
        return next(map(os.fspath, packaged), None) or shutil.which("dbmate")

    def prepare(self, folder: Path, chain: Chain) -> None:
        migrations = folder / "db" / "migrations"
        migrations.mkdir(parents=True)
        for number, script in enumerate(chain.scripts):
            (migrations / f"{number:05}_chain.sql").write_text(f"-- migrate:up\n{script}\n-- migrate:down\n")

    def words(self, folder: Path) -> list[str | Path]:  # noqa: ARG002  # as the protocol has it
        return [self.binary() or self.name, "--no-dump-schema", "migrate"]

    def env(self, url: DatabaseURL) -> Mapping[str, str]:
        host, port = url.hosts[0]
        user, password = url.user or "", url.password.get_secret_value() if url.password else ""
        where = {"host": host, "port": port, "sslmode": "disable"}
        account = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return {"DATABASE_URL": f"postgres://{account}@/{quote(url.database or '')}?{urlencode(where)}"}


@dataclass(frozen=True)
class Psql:
    """The same SQL from a file, in one transaction, with Alembic's version table kept."""

    name: str = "psql -f"

    def lacks(self) -> str | None:
        return None

    def prepare(self, folder: Path, chain: Chain) -> None:
        folder.mkdir(parents=True)
        update = "UPDATE alembic_version SET version_num = 'r{:05}' WHERE version_num = 'r{:05}';\n"
        table = "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);\n"
        pieces = ["BEGIN;\n", table, "INSERT INTO alembic_version VALUES ('r00000');\n"]
        for number, script in enumerate(chain.scripts, start=1):
            pieces.append(script + update.format(number, number - 1))
        (folder / "chain.sql").write_text("".join([*pieces, "COMMIT;\n"]))

    def words(self, folder: Path) -> list[str | Path]:
        return [locate().bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", folder / "chain.sql"]

    def env(self, url: DatabaseURL) -> Mapping[str, str]:
        return libpq_variables(url)


DJANGO, YOYO, DBMATE, PSQL = Django(), Yoyo(), Dbmate(), Psql()
