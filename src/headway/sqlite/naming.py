"""How SQLite is named: by SQLAlchemy, and its databases by their URLs."""

from __future__ import annotations

from typing import Any

DIALECT = "sqlite"
"""What SQLAlchemy calls it."""


def is_in_memory(url: Any) -> bool:
    """Whether the URL of an SQLite engine names no file, so that each connection has its own database."""
    return url.database in {None, "", ":memory:"} or url.query.get("mode") == "memory"
