"""Names of tables, indexes and types: as SQL has them, as reports show them, and when two are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

PUBLIC = "public"
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')
# Reserved words and those that may be no table's or column's name (PostgreSQL manual, appendix C).
_RESERVED = frozenset(
    """all analyse analyze and any array as asc asymmetric authorization between binary bigint bit boolean
    both case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join lateral leading least left like limit localtime localtimestamp national
    natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps
    overlay placing position precision primary real references returning right row select session_user setof
    similar smallint some substring symmetric system_user table tablesample then time timestamp to trailing
    treat trim true union unique user using values varchar variadic verbose when where window
    with""".split()  # noqa: SIM905  # a list of words reads better so
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name, with its schema where it was said. Without one it may be in any schema of the search path."""

    name: str
    schema: str | None = None

    @property
    def sql(self) -> str:
        """As SQL takes it, quoted where it must be."""
        return quoted(self.name) if self.schema is None else f"{quoted(self.schema)}.{quoted(self.name)}"

    def __str__(self) -> str:
        """As reports show it: with its schema in front unless that is ``public``."""
        return self.sql if self.schema != PUBLIC else quoted(self.name)

    def means(self, other: Name) -> bool:
        """Whether both may be the same object: the schema decides where both name one."""
        if self.name != other.name:
            return False
        return None in {self.schema, other.schema} or self.schema == other.schema


def quoted(word: str) -> str:
    """An identifier as SQL takes it."""
    if _PLAIN.fullmatch(word) and word not in _RESERVED:
        return word
    return '"' + word.replace('"', '""') + '"'


def read_name(text: str) -> Name:
    """The name in a report or a catalogue: parts with dots between them, quoted where they must be."""
    parts = [(found[1] or "").replace('""', '"') or found[2] or "" for found in _PART.finditer(text)]
    return Name(parts[-1], parts[-2] if len(parts) > 1 else None) if parts else Name(text)
