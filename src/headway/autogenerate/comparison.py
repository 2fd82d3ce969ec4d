"""Both sides of a comparison in PostgreSQL's own words: what the database has, and what the models ask for.

It is made once for each of Alembic's comparisons, before Alembic looks at any table, and every comparator
finds it by Alembic's context.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from headway.autogenerate.defaults import same_values
from headway.autogenerate.likeness import Rest, likeness_of
from headway.autogenerate.modelenums import enums_of
from headway.autogenerate.scratch import ScriptError, StandIn, rolled_back, spell
from headway.autogenerate.vectors import know_vectors
from headway.catalogue import Catalogue, read_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Column, Table
    from sqlalchemy.engine import Connection

    from headway import catalogue
    from headway.autogenerate.scratch import Spelled
    from headway.catalogue import Name
    from headway.catalogue.outlines import Outline

_logger = logging.getLogger(__name__)

TableKey: TypeAlias = tuple[str | None, str]
"""As Alembic names tables: without the schema where it is the default one."""

_CIRCUMSTANCES = text("""
    SELECT CAST(pg_catalog.current_schemas(true) AS text[]) AS path,
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')
            AND NOT CAST(pg_catalog.current_setting('transaction_read_only') AS boolean) AS may_make_tables
""")


@dataclass(frozen=True, slots=True)
class Pair:
    """A table that the database and the models have.

    Attributes:
        actual: what the database has.
        spelled: what the models ask for.
    """

    actual: catalogue.Table
    spelled: Spelled

    def column(self, name: str) -> tuple[catalogue.Column, catalogue.Column] | None:
        """The column in the database and as the models ask for it; ``None`` unless both are known."""
        actual, wanted = self.actual.column(name), self.spelled.table.column(name)
        return (actual, wanted) if actual and wanted else None


@dataclass(slots=True)
class Comparison:
    """What is known of both sides.

    Attributes:
        actual: what the database has in the schemas that are compared, but for the tables that are alike.
        path: the schemas of the ``search_path``, ``pg_catalog`` included.
        alike: the tables that are the same on both sides, in outline.
        pairs: the tables of both sides that PostgreSQL has spelt; empty where it cannot be asked to.
        equal_defaults: the columns, with their table, whose defaults read differently and are the same.
        regenerated: the columns whose values come from elsewhere in the models, by table: with the
            database's column and the model's. The comparator of columns leaves them to that of tables.
        replaced: the columns, by table, that are dropped and added anew, with all that is upon them.
    """

    actual: Catalogue
    path: frozenset[str]
    alike: Mapping[Name, Outline] = field(default_factory=dict)
    pairs: dict[TableKey, Pair] = field(default_factory=dict)
    equal_defaults: frozenset[tuple[TableKey, str]] = frozenset()
    regenerated: dict[TableKey, list[tuple[Column[Any], Column[Any]]]] = field(default_factory=dict)
    replaced: dict[TableKey, set[str]] = field(default_factory=dict)

    def columns(self, key: TableKey, name: str) -> tuple[catalogue.Column, catalogue.Column] | None:
        """See :meth:`Pair.column`."""
        pair = self.pairs.get(key)
        return pair.column(name) if pair else None


_comparisons: WeakKeyDictionary[AutogenContext, Comparison] = WeakKeyDictionary()


def comparison_of(context: AutogenContext) -> Comparison | None:
    """The comparison that :func:`prepare` made; ``None`` when it could not, or was not asked to."""
    return _comparisons.get(context)


def prepare(context: AutogenContext, schemas: Collection[str | None]) -> None:
    """Read both sides of ``schemas``; ``None`` among them is the default schema.

    Where temporary tables cannot be made, one warning says that Alembic's own comparison answers instead.
    """
    connection = context.connection
    if connection is None:
        return
    default = connection.dialect.default_schema_name or "public"
    names = {schema or default for schema in schemas}
    try:
        rest = likeness_of(context).rest
        if rest is None:
            path, may_make_tables = connection.execute(_CIRCUMSTANCES).one()
            with rolled_back(connection):
                rest = Rest(
                    frozenset(path), read_catalogue(connection, names), may_make_tables=may_make_tables
                )
        found = rest.actual
        comparison = _comparisons[context] = Comparison(found, rest.path, rest.alike)
        know_vectors(connection.dialect, found.extension_types)
        wanted = _wanted(context, found, default)
        if not rest.may_make_tables:
            _warn("this role may not make temporary tables here, or the transaction is read-only")
        elif wanted:
            spelled = _spelled(connection, wanted, rest, default)
            comparison.pairs = {
                key: Pair(found.tables[key[0] or default, key[1]], spelled[key])
                for key in wanted
                if key in spelled
            }
            comparison.equal_defaults = _equal_defaults(connection, comparison.pairs)
    except (DBAPIError, ScriptError) as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        _warn(str(error).partition("\n")[0])


def _wanted(context: AutogenContext, found: Catalogue, default: str) -> dict[TableKey, Table]:
    """The models' tables that the database has, too, and that may differ."""
    keyed = {
        (table.schema if table.schema != default else None, table.name): table
        for table in context.table_key_to_table.values()
        if (table.schema or default, table.name) in found.tables
    }
    alike = likeness_of(context).tables
    return {key: table for key, table in keyed.items() if key not in alike}


def _spelled(
    connection: Connection, wanted: Mapping[TableKey, Table], rest: Rest, default: str
) -> dict[TableKey, Spelled]:
    """What PostgreSQL makes of the models: it is asked about those that it has not been asked about."""
    unknown = {key: table for key, table in wanted.items() if key not in rest.spelled}
    quote = connection.dialect.identifier_preparer.quote
    stand_ins = _stand_ins(unknown.values(), rest.actual, default, quote)
    told = spell(connection, list(unknown.values()), stand_ins)
    return {**rest.spelled, **{key: told[table] for key, table in unknown.items() if table in told}}


def _stand_ins(
    tables: Iterable[Table], found: Catalogue, default: str, quote: Callable[[str], str]
) -> list[StandIn]:
    """For the enums that the models have otherwise; none where two of them share a name."""
    made: dict[str, list[StandIn]] = {}
    for enum in enums_of(tables, default):
        actual = found.enums.get((enum.schema, enum.name))
        if actual is None or actual.labels != enum.labels:
            spelled = actual.type if actual else f"{quote(enum.schema)}.{quote(enum.name)}"
            made.setdefault(enum.name, []).append(StandIn(enum.schema, enum.name, enum.labels, spelled))
    return [several[0] for several in made.values() if len(several) == 1]


def _warn(why: str) -> None:
    _logger.warning(
        "PostgreSQL was not asked how it spells the models (%s); Alembic's own comparison answers, which "
        "misses changes of checks, exclusions, primary keys, computed columns and most of indexes. "
        "GRANT TEMPORARY ON DATABASE … lets it be asked.",
        why,
    )


def _equal_defaults(connection: Connection, pairs: dict[TableKey, Pair]) -> frozenset[tuple[TableKey, str]]:
    """Of all columns whose defaults read differently, those for which it makes no difference."""
    doubtful = {
        (key, column.name): both
        for key, pair in pairs.items()
        for column in pair.actual.columns
        if (both := pair.column(column.name)) and _plain(*both) and both[0].default != both[1].default
    }
    return frozenset(same_values(connection, doubtful))


def _plain(*columns: catalogue.Column) -> bool:
    return not any(column.serial or column.identity or column.generated for column in columns)
