"""Which tables are certainly as the models have them, before anything is compared in full.

It takes the catalogue in outline and what PostgreSQL makes of the models' columns, checks and expressions,
each kind of which :mod:`headway.autogenerate.sheets` asks about once. A table that is alike on both sides is
left out of the comparison, and where all are, and nothing else is there, nothing is compared at all. What is
in any doubt is compared in full, so that the operations found are the same ones; it is read in full here,
with the sheets, which spell most of it.

It says nothing where somebody else has a word in the comparison that cannot be foreseen: comparators of the
project or of another plugin, functions for ``compare_type`` or ``compare_server_default``, a listener to what
is reflected, a translated schema. A filter (``include_object``) is not asked about tables that are alike: it
could only take away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Enum, MetaData, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator

from headway.autogenerate.drafts import Draft, Drafting, UnclearError
from headway.autogenerate.enums import PACKAGE
from headway.autogenerate.modelenums import enum_in
from headway.autogenerate.scratch import ScriptError, rolled_back
from headway.autogenerate.sheets import Sheets, empty_search_path
from headway.catalogue import SCRATCH, read_catalogue
from headway.catalogue.outlines import read_enums, read_outlines
from headway.ledger.names import LAYOUT_COLUMN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.engine import Connection

    from headway.autogenerate.comparison import TableKey
    from headway.autogenerate.scratch import Spelled
    from headway.catalogue import Catalogue, Name
    from headway.catalogue.outlines import Enumerated, Outline

_KNOWN = ("alembic.autogenerate.", "alembic.ext.checkconstraint_byname", "headway.autogenerate.", PACKAGE)
"""Modules whose comparators find nothing between tables that are alike."""

TABLES = "tables"
"""The subgroup of Alembic's comparison of tables, which stops when one before it in the group says so."""
_OF_TABLES = "alembic.autogenerate.compare.tables"

_CIRCUMSTANCES = text("""
    SELECT CAST(pg_catalog.current_schemas(false) AS text[]),
        CAST(pg_catalog.current_schemas(true) AS text[]),
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')
            AND NOT CAST(pg_catalog.current_setting('transaction_read_only') AS boolean)
""")


@dataclass(frozen=True, slots=True)
class Rest:
    """What was read of that which may differ.

    Attributes:
        path: the schemas of the ``search_path``, those that it has by itself included.
        actual: what the database has, without the tables that are alike.
        alike: the tables that are, in outline.
        spelled: the models' tables as PostgreSQL spells them; not those that it must be asked about anew.
        may_make_tables: whether it can be asked.
    """

    path: frozenset[str]
    actual: Catalogue
    alike: Mapping[Name, Outline] = field(default_factory=dict)
    spelled: Mapping[TableKey, Spelled] = field(default_factory=dict)
    may_make_tables: bool = True


@dataclass(frozen=True, slots=True)
class Likeness:
    """What is certain.

    Attributes:
        tables: the tables that are alike on both sides.
        whole: whether there is nothing else on either side that could differ.
        enums: the enum types that the models have with the labels of the database.
        without_change_of_enums: the schemas, as they are compared, that have no other enum types.
        without_package: whether Alembic calls alembic-postgresql-enum no longer.
        rest: what is known of the rest; ``None`` when that is nothing, or there is no rest.
    """

    tables: frozenset[TableKey] = frozenset()
    whole: bool = False
    enums: frozenset[Name] = frozenset()
    without_change_of_enums: frozenset[str | None] = frozenset()
    without_package: bool = False
    rest: Rest | None = None


_known: WeakKeyDictionary[AutogenContext, Likeness] = WeakKeyDictionary()


def likeness_of(context: AutogenContext) -> Likeness:
    """What :func:`find_likeness` found; nothing when it could not tell, or was not asked to."""
    return _known.get(context, Likeness())


def find_likeness(context: AutogenContext, schemas: Collection[str | None]) -> Likeness:
    """Find out what is certain, and take it from what is compared.

    Args:
        context: the comparison that begins.
        schemas: what is compared; ``None`` is the default schema.
    """
    if not _foreseeable(context) or context.connection is None:
        return Likeness()
    try:
        found = _Look(context, context.connection, {*schemas}).find()
    except (DBAPIError, ScriptError) as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        return Likeness()
    found = _known[context] = replace(found, without_package=_forget_package(context))
    if found.whole:
        context.sorted_tables = []  # which nobody has asked for yet: to sort them takes its time
    elif found.tables:
        default = context.dialect.default_schema_name
        context.sorted_tables = [
            table
            for table in context.sorted_tables
            if (table.schema if table.schema != default else None, table.name) not in found.tables
        ]
    return found


def _foreseeable(context: AutogenContext) -> bool:
    options = context.opts
    connection = context.connection
    return (
        type(context.migration_context.impl) is PostgresqlImpl
        and connection is not None
        and not connection.get_execution_options().get("schema_translate_map")
        and not callable(options.get("compare_type"))
        and not callable(options.get("compare_server_default"))
        # Somebody's listener says otherwise what Alembic reads.
        and not Table("any", MetaData()).dispatch.column_reflect
        and all(
            f"{function.__module__}.".startswith(_KNOWN)
            # Where there is nothing to compare, it must stop.
            and (subgroup == TABLES or function.__module__ != _OF_TABLES)
            for registered in context.comparators._registry.values()  # noqa: SLF001  # a canary watches it
            for function, subgroup in registered
        )
    )


def _forget_package(context: AutogenContext) -> bool:
    """Have Alembic not call alembic-postgresql-enum in this comparison; whether it would have."""
    registry: dict[Any, list[Any]] = context.comparators._registry  # noqa: SLF001  # as above
    found = False
    for key, registered in registry.items():
        rest = [entry for entry in registered if not entry[0].__module__.startswith(PACKAGE)]
        found = found or len(rest) < len(registered)
        registry[key] = rest
    return found


class _Look:
    """One look at both sides."""

    def __init__(self, context: AutogenContext, connection: Connection, schemas: set[str | None]) -> None:
        self._context, self._connection, self._schemas = context, connection, schemas
        self._default = connection.dialect.default_schema_name or "public"
        self._names = {schema or self._default for schema in schemas}
        self._path: frozenset[str] = frozenset()
        self._whole_path: list[str] = []

    def find(self) -> Likeness:
        path, self._whole_path, may_make_tables = self._connection.execute(_CIRCUMSTANCES).one()
        if not may_make_tables or None not in self._schemas:
            return Likeness()
        self._path = frozenset(path)
        others = self._path - {self._default}
        with rolled_back(self._connection):
            empty_search_path(self._connection)
            outlines = read_outlines(self._connection, self._names | others)
            enums = read_enums(self._connection, self._names)
        if any(schema in others for schema, _ in outlines):
            return Likeness()  # tables that are found without their schema, which is not the default one
        return self._compared(outlines, enums)

    def _compared(self, outlines: dict[Name, Outline], enums: dict[Name, Enumerated]) -> Likeness:
        used = self._used_enums(enums)
        same = frozenset(name for name, is_same in used.items() if is_same)
        more = {name for name, found in enums.items() if not found.of_extension} - same
        unchanged = frozenset(self._schemas - {self._seen(name)[0] for name in more | (used.keys() - same)})
        models = {self._key(table): table for table in self._context.table_key_to_table.values()}
        there = {key: outline for name, outline in outlines.items() if self._is_seen(key := self._seen(name))}
        both = models.keys() & there.keys() - {self._version_table()}
        drafts = dict(self._drafts({key: models[key] for key in both}, there, same))
        with rolled_back(self._connection):
            sheets = Sheets(
                self._connection, (question for draft in drafts.values() for question in draft.questions())
            )
            answers = sheets.made()
            alike = frozenset(key for key, draft in drafts.items() if draft.matches(there[key], answers))
            whole = (
                alike == both
                and not any(self._is_wanted(models[key]) for key in models.keys() - both)
                and not any(self._is_too_many(key, there[key]) for key in there.keys() - both)
                and not more
            )
            others = {key: draft for key, draft in drafts.items() if key not in alike}
            rest = None if whole else self._rest(outlines, alike, others, sheets)
        return Likeness(alike, whole, same, unchanged, rest=rest)

    def _rest(
        self,
        outlines: Mapping[Name, Outline],
        alike: Collection[TableKey],
        drafts: Mapping[TableKey, Draft],
        sheets: Sheets,
    ) -> Rest:
        """What may differ, read while the sheets are there: with one statement for both."""
        same = {name: outline for name, outline in outlines.items() if self._seen(name) in alike}
        only = [outline.oid for name, outline in outlines.items() if name not in same]
        read = read_catalogue(self._connection, self._names | {SCRATCH}, only=only)
        actual = {name: table for name, table in read.tables.items() if name[0] in self._names}
        answers = sheets.in_full(table for name, table in read.tables.items() if name not in actual)
        spelled = {
            key: draft.spelled(outlines[name], actual[name], answers)
            for key, draft in drafts.items()
            for name in [(key[0] or self._default, key[1])]
        }
        return Rest(
            frozenset(self._whole_path),
            replace(read, tables=actual),
            same,
            {key: table for key, table in spelled.items() if table is not None},
        )

    def _key(self, table: Table) -> TableKey:
        return (table.schema if table.schema != self._default else None, table.name)

    def _seen(self, name: Name) -> TableKey:
        return (name[0] if name[0] != self._default else None, name[1])

    def _version_table(self) -> TableKey:
        migrations = self._context.migration_context
        schema = migrations.version_table_schema
        return (schema if schema != self._default else None, migrations.version_table)

    def _is_seen(self, key: TableKey) -> bool:
        return self._context.run_name_filters(key[1], "table", {"schema_name": key[0]})

    def _is_wanted(self, table: Table) -> bool:
        """Whether a table that the database lacks would be created."""
        return self._context.run_object_filters(table, table.name, "table", False, None)  # noqa: FBT003  # Alembic's

    def _is_too_many(self, key: TableKey, outline: Outline) -> bool:
        """Whether a table that the models lack might be dropped."""
        return not (outline.of_others or LAYOUT_COLUMN in outline.columns or key == self._version_table())

    def _drafts(
        self, tables: dict[TableKey, Table], there: dict[TableKey, Outline], enums: frozenset[Name]
    ) -> Iterator[tuple[TableKey, Draft]]:
        drafting = Drafting(self._connection.dialect, self._default, self._path | {"pg_catalog"})
        for key, table in tables.items():
            if self._has_same_enums(table, enums) and self._is_all_seen(key, there[key]):
                try:
                    yield key, drafting.draft(table, there[key])
                except UnclearError:
                    continue

    def _has_same_enums(self, table: Table, enums: frozenset[Name]) -> bool:
        return all(self._name(enum) in enums for column in table.columns if (enum := enum_in(column.type)))

    def _used_enums(self, enums: dict[Name, Enumerated]) -> dict[Name, bool]:
        """The models' enums, and whether all of them have one as the database has it."""
        used: dict[Name, bool] = {}
        for table in self._context.table_key_to_table.values():
            for column in table.columns:
                if enum := enum_in(column.type):
                    name = self._name(enum)
                    # The package has labels of its own for a type with conversions.
                    plain = not isinstance(column.type, TypeDecorator)
                    same = plain and name in enums and enums[name].labels == tuple(enum.enums)
                    used[name] = same and used.get(name, True)
        return used

    def _name(self, enum: Enum) -> Name:
        return (enum.schema or self._default, str(enum.name))

    def _is_all_seen(self, key: TableKey, outline: Outline) -> bool:
        """Whether no filter of the user's hides a part of the table, which would then be missed."""
        if not self._context.opts.get("include_name"):
            return True
        named: Any = {
            "column": outline.columns,
            "index": outline.indexes,
            "unique_constraint": outline.uniques,
            "check_constraint": outline.checks,
            "exclude_constraint": outline.excludes,
            "foreign_key_constraint": outline.reference_names,
        }
        return all(
            self._context.run_name_filters(name, type_, {"table_name": key[1], "schema_name": key[0]})
            for type_, names in named.items()
            for name in names
        )
