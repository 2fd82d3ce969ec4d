"""From what Alembic found to the files to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from headway.autogenerate.extensions import needed
from headway.autogenerate.facts import Facts
from headway.autogenerate.operations import (
    CreateExtensionOp,
    CreateSchemaOp,
    DropExtensionOp,
    DropSchemaOp,
    RemarkOp,
)
from headway.autogenerate.ordering import arranged, flattened
from headway.autogenerate.references import references_around
from headway.autogenerate.renames import OPTION as RENAMES_OPTION
from headway.autogenerate.renames import Decisions, probable, probable_tables, renamed
from headway.autogenerate.safety import Direction
from headway.autogenerate.sequences import CreateSequenceOp
from headway.autogenerate.splitting import files, scripts
from headway.autogenerate.unnamed import name_constraints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from alembic.operations import MigrateOperation
    from alembic.runtime.migration import MigrationContext

    from headway.autogenerate.hooks import Writing
    from headway.autogenerate.ordering import TableKey

_COLUMN = "Or was it renamed to {0.new}? `headway revision --rename {0}` keeps what it holds."
_TABLE = (
    "Or was it renamed to {0.new}? op.rename_table() in place of dropping and creating keeps what it holds."
)


def rewrite(context: MigrationContext, directives: list[ops.MigrationScript], how: Writing) -> None:
    """Put what Alembic is about to write right, in place.

    Args:
        context: of the command.
        directives: the files to come, as ``process_revision_directives`` gets them.
        how: what the project wishes.
    """
    if context.dialect.name != "postgresql":
        for script in directives:
            name_constraints(script)
        return
    directives[:] = [made for script in directives for made in _rewritten(context, script, how)]


def _rewritten(
    context: MigrationContext, script: ops.MigrationScript, how: Writing
) -> list[ops.MigrationScript]:
    # Several lists are several databases in one file, as Alembic's template "multidb" has it.
    if len(script.upgrade_ops_list) != 1 or len(script.downgrade_ops_list) != 1:
        return [script]
    [upgrade], [downgrade] = script.upgrade_ops_list, script.downgrade_ops_list
    up, down = list(flattened(upgrade.ops)), list(flattened(downgrade.ops))
    if not up and not down:
        return [script]
    facts = Facts(context)
    decided: Decisions = context.opts.get(RENAMES_OPTION) or Decisions()
    up, down = renamed(up, down, decided.taken or (), facts.sql_of)
    suspicions: dict[str, tuple[str, ...]] = {}
    if decided.taken is None:
        decided.open += probable(up, facts.sql_of)
        tables = probable_tables(up, facts.sql_of)
        suspicions = {rename.old: (_COLUMN.format(rename),) for rename in decided.open}
        suspicions |= {rename.old: (_TABLE.format(rename),) for rename in tables}
    _add_prerequisites(facts, up, down, how)
    metadata = _metadata(context)
    default = context.dialect.default_schema_name
    up += references_around(up, metadata, default)
    down += references_around(down, metadata, default)
    going = Direction(
        arranged(up), facts, online=how.online, columns=_columns(metadata), suspicions=suspicions
    )
    back = Direction(arranged(down), facts, online=how.online, down=True)
    return scripts(script, files(going.steps(), back.steps()))


def _add_prerequisites(
    facts: Facts, up: list[MigrateOperation], down: list[MigrateOperation], how: Writing
) -> None:
    """Have the schemas and extensions made that the database lacks."""
    schemas = dict.fromkeys(_schemas(up))
    for schema in schemas:
        if schema not in facts.schemas:
            up.append(CreateSchemaOp(schema))
            down.append(DropSchemaOp(schema))
    for extension in needed(up, facts):
        if extension in facts.extensions_in_use:
            continue
        # IF NOT EXISTS: a database that somebody prepared by hand has it, the next one has not.
        up.append(CreateExtensionOp(extension))
        # Others may have come to use it, and not every role may create it again.
        kept = RemarkOp(
            f'The extension {extension} stays; headway.op.drop_extension("{extension}") would drop it.'
        )
        ours = how.drop_extensions and extension not in facts.extensions
        down.append(DropExtensionOp(extension) if ours else kept)


def _schemas(operations: Iterable[MigrateOperation]) -> Iterator[str]:
    for operation in operations:
        making = isinstance(operation, ops.CreateTableOp | CreateSequenceOp)
        if making or getattr(operation, "operation_name", None) == "create_enum":
            schema = getattr(operation, "schema", None)
            if schema:
                yield str(schema)


def _metadata(context: MigrationContext) -> list[sa.MetaData]:
    metadata = context.opts.get("target_metadata")
    several: Sequence[Any] = metadata if isinstance(metadata, list | tuple) else [metadata]
    return [one for one in several if isinstance(one, sa.MetaData)]


def _columns(metadata: Iterable[sa.MetaData]) -> dict[tuple[TableKey, str], sa.Column[Any]]:
    return {
        ((table.schema, table.name), column.name): column
        for one in metadata
        for table in one.tables.values()
        for column in table.columns
    }
