"""How a statement's rows tell of parts: kind, where in the catalogue, schema, table, name, and SQL."""

from __future__ import annotations


def class_(name: str) -> str:
    """The oid of a catalogue."""
    return f"CAST(CAST('pg_catalog.{name}' AS pg_catalog.regclass) AS bigint)"


def part(  # noqa: PLR0913  # what a row has
    kind: str,
    catalogue: str,
    oid: str,
    *,
    schema: str = "place.nspname",
    table: str = "NULL",
    name: str,
    make: str,
    rest: str = "NULL",
    drop: str = "NULL",
    position: str = "0",
    source: str,
) -> str:
    """The rows of one kind of part, each value an expression over ``source``.

    Args:
        kind: what it is, as SQL calls it.
        catalogue: which it is in.
        oid: its row there.
        schema: of it; ``NULL`` for what is in none.
        table: that it is of.
        name: unique within kind, schema and table.
        make: the SQL that makes it.
        rest: what else the making needs to know.
        drop: the SQL that takes it back; ``NULL`` where it goes with something else.
        position: tells parts of one catalogue row apart.
        source: what to select from, and where.
    """
    return (
        f"SELECT {kind}, {class_(catalogue)}, CAST({oid} AS bigint), CAST({position} AS integer), "  # noqa: S608  # constants of ours
        f"CAST({schema} AS text), CAST({table} AS text), CAST({name} AS text), {make}, {rest}, {drop} "
        f"FROM {source}"
    )


def no_member(catalogue: str, oid: str, *, within: str = "'e'") -> str:
    """Whether an object belongs to no extension (``e``), or with ``i`` to nothing else that made it."""
    return (
        f"NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS link WHERE link.deptype IN ({within}) "  # as above
        f"AND link.classid = {class_(catalogue)} AND link.objid = {oid})"
    )


MADE_BY_ITSELF = "'e', 'i'"
"""Neither an extension's, nor made with another object, as a range's functions are."""

COLLATE = """CASE WHEN {0} NOT IN (0, {1}) THEN (
    SELECT pg_catalog.format(' COLLATE %I.%I', home.nspname, rule.collname)
    FROM pg_catalog.pg_collation AS rule
    JOIN pg_catalog.pg_namespace AS home ON home.oid = rule.collnamespace WHERE rule.oid = {0}) END"""
"""A collation that is not its type's; of two expressions, both collations."""

SEQUENCE_OPTIONS = """pg_catalog.format(
    'START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s', seq.seqstart, seq.seqincrement,
    seq.seqmin, seq.seqmax, seq.seqcache, CASE WHEN seq.seqcycle THEN ' CYCLE' END)"""
"""Those of ``seq``, a row of pg_sequence."""

USUAL_OPTIONS = """seq.seqstart = 1 AND seq.seqincrement = 1 AND seq.seqmin = 1 AND seq.seqcache = 1
    AND NOT seq.seqcycle AND seq.seqmax = CASE seq.seqtypid
        WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 ELSE 9223372036854775807 END"""
"""Whether they are those of a sequence that says nothing."""
