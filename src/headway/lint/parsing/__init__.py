"""SQL read by PostgreSQL's own parser (extra ``lint``: postgast), and said again as deeds."""

from __future__ import annotations

from headway.lint.parsing.statements import read, require_parser

__all__ = ["read", "require_parser"]
