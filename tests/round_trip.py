"""One set of models after another on one database, by the road that a developer takes, and back again."""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

import psycopg
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import model_sets
from headway import Migrator
from model_sets import SCHEMAS, Models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import ProjectFolder

_CATALOGUE: dict[str, LiteralString] = {
    "table": """
        SELECT format('%%s %%s %%s %%s comment %%L', c.oid::regclass, c.relkind, c.relpersistence,
                      c.reloptions, obj_description(c.oid, 'pg_class'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (%(schemas)s) AND c.relkind NOT IN ('i', 'S')
    """,
    "sequence": """
        SELECT format('%%s %%s %%s %%s %%s %%s %%s %%s owner %%s %%s', c.oid::regclass, s.seqtypid::regtype,
                      s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle,
                      d.refobjid::regclass, d.deptype)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_sequence s ON s.seqrelid = c.oid
        LEFT JOIN pg_depend d
          ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        WHERE n.nspname = ANY (%(schemas)s)
    """,
    "column": """
        SELECT format('%%s.%%I %%s %%s default %%s identity %%s generated %%s collation %%s comment %%L',
                      c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
                      CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE 'NULL' END,
                      pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text,
                      a.attcollation::regcollation, col_description(c.oid, a.attnum))
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE n.nspname = ANY (%(schemas)s) AND a.attnum > 0 AND NOT a.attisdropped
          AND c.relkind NOT IN ('i', 'S')
    """,
    "constraint": """
        SELECT format('%%s %%I %%s valid %%s comment %%L', k.conrelid::regclass, k.conname,
                      pg_get_constraintdef(k.oid), k.convalidated, obj_description(k.oid, 'pg_constraint'))
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
        WHERE n.nspname = ANY (%(schemas)s) AND k.contype <> 'n'
    """,
    "index": """
        SELECT format('%%s valid %%s', pg_get_indexdef(i.indexrelid), i.indisvalid)
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (%(schemas)s)
    """,
    "type": """
        SELECT format('%%s %%s', t.oid::regtype,
                      (SELECT array_agg(l.enumlabel ORDER BY l.enumsortorder)
                       FROM pg_enum l WHERE l.enumtypid = t.oid))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE n.nspname = ANY (%(schemas)s) AND t.typtype = 'e'
    """,
    "trigger": """
        SELECT format('%%s %%s', c.oid::regclass, pg_get_triggerdef(t.oid))
        FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (%(schemas)s) AND NOT t.tgisinternal
    """,
}
"""One line an object. The order of columns does not count, nor what PostgreSQL calls a NOT NULL."""

_OURS = ("alembic_version", "migration_history", "schema_migrations")

REAL_SCHEMAS = tuple(schema or "public" for schema in SCHEMAS)


def catalogue(url: str) -> list[str]:
    """What the database holds, sorted; without headway's own tables."""
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = ''")
        return sorted(
            f"{kind} {row[0]}"
            for kind, query in _CATALOGUE.items()
            for row in connection.execute(query, {"schemas": [*REAL_SCHEMAS]}).fetchall()
            if not any(own in row[0] for own in _OURS)
        )


def prepare(url: str) -> None:
    """Make the schemas, which migrations of models do not."""
    with psycopg.connect(url, autocommit=True) as connection:
        for schema in REAL_SCHEMAS[1:]:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'.encode())


def created(url: str, models: Models) -> list[str]:
    """The catalogue of a database in which SQLAlchemy itself created the models, which is rolled back."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS vector")
        models.metadata().create_all(connection)
    engine.dispose()
    return catalogue(url)


@dataclass
class RoundTrip:
    """A project and an empty database.

    Attributes:
        folder: the project.
        url: the database; the schemas of ``model_sets`` are made in it.
    """

    folder: ProjectFolder
    url: str
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        prepare(self.url)
        self.folder.env("model_sets.CURRENT, include_schemas=True", "import model_sets")

    def run(self, before: Models, after: Models, expected: Sequence[str] | None = None) -> None:
        """From nothing to ``before`` to ``after``, and back, and forth again.

        Raises:
            AssertionError: something was left over, or lost; says which files did it.
        """
        asyncio.run(self._run(before, after, expected))

    async def _run(self, before: Models, after: Models, expected: Sequence[str] | None) -> None:
        try:
            await self._arrive(before, "before")
            first, first_heads = catalogue(self.url), await self._heads()
            await self._arrive(after, "after")
            second = catalogue(self.url)
            if expected is not None:
                _same("what SQLAlchemy creates and what the migration made", expected, second)
            async with self._migrator() as migrator:
                await migrator.downgrade(*(first_heads or ["base"]))
                _same("the catalogue before and after up and down", first, catalogue(self.url))
                await migrator.upgrade()
            _same("the catalogue after up and after down and up", second, catalogue(self.url))
        except BaseException as error:
            error.add_note(self._evidence(before, after))
            raise

    async def _arrive(self, models: Models, message: str) -> None:
        model_sets.CURRENT = models.metadata()
        async with self._migrator() as migrator:
            await migrator.revision(message)
        async with self._migrator() as migrator:
            await migrator.upgrade()
            left = await migrator.check()
            assert left.clean, f"{message}, compared again: {left.differences}"

    async def _heads(self) -> list[str]:
        async with self._migrator() as migrator:
            return [item.revision for item in await migrator.current()]

    def _migrator(self) -> Migrator:
        return Migrator(self.folder.ini, url=self.url, environment="staging")

    def _evidence(self, before: Models, after: Models) -> str:
        files = sorted(self.folder.versions.glob("*.py"), key=lambda path: path.stat().st_mtime_ns)
        texts = [path.read_text(encoding="utf-8") for path in files]
        return "\n".join([f"before = {before!r}", f"after = {after!r}", *texts])


def _same(what: str, one: Sequence[str], other: Sequence[str]) -> None:
    difference = [
        line
        for line in difflib.unified_diff(one, other, lineterm="", n=0)
        if not line.startswith(("@", "---", "+++"))
    ]
    assert not difference, f"{what} differ:\n" + "\n".join(difference)
