"""Let PostgreSQL spell the models: their tables are made as temporary ones, read, and rolled back.

Nothing of the target is touched or locked: temporary tables are in a schema of this session's own, and what
they refer to (types, functions, operator classes) is only looked up.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.autogenerate.blueprint import Draughtsman, Unit
from headway.autogenerate.literals import literal
from headway.catalogue import SCRATCH, read_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from headway import catalogue
    from headway.autogenerate.blueprint import Blueprint, Part

_logger = logging.getLogger(__name__)

_LOCKS = 1500
"""As many relations at a time: each is locked by the session that makes it, and the server's table of locks
has 6,400 entries as PostgreSQL is delivered (manual, ``max_locks_per_transaction``), for all sessions."""
_RELATIONS_OF_A_TABLE = 3
"""The table, its TOAST table and that one's index; its own indexes come on top."""

_FRAME = "headway_scratch"
_SAVEPOINT = "headway_scratch_attempt"


@dataclass(frozen=True, slots=True)
class Spelled:
    """A model's table as PostgreSQL spells it.

    Attributes:
        table: under the name of the scratch; what PostgreSQL would not make is missing.
        made: the model's objects that its DDL makes, PostgreSQL's refusals included.
        constraints: by the model's object.
        indexes: by the model's object.
    """

    table: catalogue.Table
    made: frozenset[Part]
    constraints: Mapping[Part, catalogue.Constraint]
    indexes: Mapping[Part, catalogue.Index]


class ScriptError(Exception):
    """The server refused a script; ``sqlstate`` tells why, the message is the server's."""

    def __init__(self, error: Exception, sqlstate: str) -> None:
        super().__init__(str(error).partition("\n")[0])
        self.sqlstate = sqlstate


def run_script(connection: Connection, script: str) -> None:
    """Run several statements in one round trip, in the transaction that the connection has begun.

    Raises:
        ScriptError: the server refused one of them; none after it was run.
    """
    driver: Any = connection.connection.dbapi_connection
    try:
        if hasattr(driver, "run_async"):  # asyncpg: its `execute` without parameters takes many statements
            driver.run_async(lambda asyncpg: asyncpg.execute(script))
        else:
            driver.cursor().execute(script)
    except Exception as error:  # every driver has a root of its own; all put the SQLSTATE on it
        sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if sqlstate is None:
            raise
        raise ScriptError(error, sqlstate) from error


@dataclass(frozen=True, slots=True)
class StandIn:
    """An enum type that the database has with other labels, or not at all: what stands for it in the scratch.

    It has the type's own name, in the schema of the temporary tables, which PostgreSQL looks into first: the
    casts that a model writes by hand mean it, too.

    Attributes:
        schema: of the type.
        name: of the type.
        labels: those of the models.
        type: how PostgreSQL spells the type itself.
    """

    schema: str
    name: str
    labels: tuple[str, ...]
    type: str


def spell(
    connection: Connection, tables: Sequence[Table], stand_ins: Sequence[StandIn] = ()
) -> dict[Table, Spelled]:
    """What PostgreSQL makes of ``tables``.

    What it refuses, table by table or piece by piece, is missing from the answer and said in the log. The
    connection must be in a transaction, which is as it was afterwards.

    Args:
        connection: of the database.
        tables: the models'.
        stand_ins: for the enum types that the tables use and that are to change; of one name each.
    """
    quote = connection.dialect.identifier_preparer.quote
    types = [
        Unit(
            f"enum {enum.name}",
            (f"CREATE TYPE pg_temp.{quote(enum.name)} AS ENUM ({', '.join(map(literal, enum.labels))})",),
        )
        for enum in stand_ins
    ]
    spellings = {quote(enum.name): enum.type for enum in stand_ins}
    draughtsman = Draughtsman(connection.dialect, {(enum.schema, enum.name) for enum in stand_ins})
    blueprints = {
        table: draughtsman.draw(table, f"headway_scratch_{number}") for number, table in enumerate(tables)
    }
    spelled: dict[Table, Spelled] = {}
    for batch in _batches(blueprints):
        with rolled_back(connection):
            build(connection, [*types, *(blueprint.unit for blueprint in batch.values())])
            found = read_catalogue(
                connection, [SCRATCH], tables_only=True, spellings=spellings
            ).tables.values()
        spelled |= dict(_matched(batch, {table.name: table for table in found}))
    return spelled


@contextmanager
def rolled_back(connection: Connection) -> Iterator[None]:
    """Whatever is done within, settings included, is undone at the end; the transaction goes on.

    Raises:
        ScriptError: there is no transaction to go back in (the connection commits by itself).
    """
    run_script(connection, f"SAVEPOINT {_FRAME}")
    try:
        yield
    finally:
        run_script(connection, f"ROLLBACK TO SAVEPOINT {_FRAME}; RELEASE SAVEPOINT {_FRAME}")


def build(connection: Connection, units: Sequence[Unit], *, of: str | None = "the models") -> list[Unit]:
    """Run units' statements, in as few round trips as the server's refusals allow.

    Args:
        connection: in a transaction.
        units: what is refused of one does not keep the others from being built.
        of: what the units are parts of, for the log; ``None`` when a refusal is nothing to speak of.

    Returns:
        What was refused, in its smallest pieces.
    """
    if not units:
        return []
    statements = [statement for unit in units for statement in unit.statements]
    # By itself: of a script with an error of syntax nothing is run, not even its beginning.
    run_script(connection, f"SAVEPOINT {_SAVEPOINT}")
    try:
        run_script(connection, "\n;\n".join([*statements, f"RELEASE SAVEPOINT {_SAVEPOINT}"]))
    except ScriptError as error:
        run_script(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
        return _build_apart(connection, units, error, of=of)
    return []


def _build_apart(
    connection: Connection, units: Sequence[Unit], error: ScriptError, *, of: str | None
) -> list[Unit]:
    if len(units) > 1:
        half = len(units) // 2
        return [
            *build(connection, units[:half], of=of),
            *build(connection, units[half:], of=of),
        ]
    unit = units[0]
    if unit.pieces:
        return build(connection, unit.pieces, of=unit.what if of is not None else None)
    if of is not None:
        _logger.info("PostgreSQL does not take %s of %s as the models have it: %s", unit.what, of, error)
    return [unit]


def _batches(blueprints: Mapping[Table, Blueprint]) -> Iterator[dict[Table, Blueprint]]:
    batch: dict[Table, Blueprint] = {}
    locks = 0
    for table, blueprint in blueprints.items():
        more = _RELATIONS_OF_A_TABLE + len(blueprint.parts)
        if batch and locks + more > _LOCKS:
            yield batch
            batch, locks = {}, 0
        batch[table] = blueprint
        locks += more
    if batch:
        yield batch


def _matched(
    batch: Mapping[Table, Blueprint], found: Mapping[str, catalogue.Table]
) -> Iterable[tuple[Table, Spelled]]:
    for table, blueprint in batch.items():
        made = found.get(blueprint.name)
        if made is None:
            continue
        constraints = {constraint.name: constraint for constraint in made.constraints}
        indexes = {index.name: index for index in made.indexes if not index.constraint}
        yield (
            table,
            Spelled(
                made,
                frozenset(blueprint.parts),
                {part: constraints[name] for part, name in blueprint.parts.items() if name in constraints},
                {part: indexes[name] for part, name in blueprint.parts.items() if name in indexes},
            ),
        )
