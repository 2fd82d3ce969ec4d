"""The environment in which pg_dump and its kin find a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway import DatabaseURL
from headway.settings import libpq_variables

if TYPE_CHECKING:
    import pytest


def _told(raw: str) -> dict[str, str]:
    found = libpq_variables(DatabaseURL.parse(raw))
    return {name: value for name, value in found.items() if name.startswith("PG")}


def test_a_url_is_told_in_libpqs_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSERVICE", "PGHOSTADDR", "PGDATABASE", "PGPASSWORD"):
        monkeypatch.setenv(name, "inherited")
    assert _told("postgresql://ada:p%40ss@a,b:6543/shop?sslmode=require&connect_timeout=3") == {
        "PGHOST": "a,b",
        "PGPORT": "5432,6543",
        "PGUSER": "ada",
        "PGPASSWORD": "p@ss",
        "PGDATABASE": "shop",
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "3",
    }


def test_what_a_url_leaves_open_is_left_to_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "inherited")
    assert _told("postgresql://ada@/?host=/run/pg") == {
        "PGHOST": "/run/pg",
        "PGPORT": "5432",
        "PGUSER": "ada",
        "PGDATABASE": "ada",
        "PGPASSWORD": "inherited",
    }
