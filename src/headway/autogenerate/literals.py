"""Values in SQL."""

from __future__ import annotations


def literal(value: str) -> str:
    """A string in SQL; PostgreSQL manual 4.1.2.1, with standard_conforming_strings on."""
    return "'" + value.replace("'", "''") + "'"
