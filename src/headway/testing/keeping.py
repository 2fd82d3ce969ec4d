"""Telling how to reach a failing test's database that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.url import MASK

if TYPE_CHECKING:
    from headway.testing.suite import Database


def how_to_reach(database: Database) -> str:
    """Lines for a failure report; without a password."""
    from dataclasses import replace

    location = replace(database.location, database=database.kept_as)
    return f"psql '{location.masked}'"
