"""What the statements of a migrator are to its run, told by their text: names for where it breaks."""

from __future__ import annotations

import re
from functools import lru_cache

IN_ONE = "step in one message"
"""A message that holds all of a step, or of several: more than one statement before a COMMIT."""

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for name, pattern in (
        ("begin", r"\s*BEGIN"),
        ("commit", r"\s*COMMIT"),
        ("rollback", r"\s*ROLLBACK"),
        ("lock", r".*pg_try_advisory|.*pg_advisory|.*\bpg_locks\b"),
        (
            "ledger write",
            r"\s*(INSERT|UPDATE|CREATE|ALTER|COMMENT|LOCK|WITH).*(migration_history|schema_migrations)",
        ),
        ("version write", r"\s*(INSERT|UPDATE|DELETE|CREATE).*alembic_version"),
        ("data of a revision", r"\s*(INSERT|UPDATE|DELETE).*\b(probe|shelf|book)\b"),
        ("concurrent index", r".*CONCURRENTLY"),
        ("validation", r".*VALIDATE CONSTRAINT"),
        ("DDL of a revision", r"\s*(CREATE|ALTER|DROP|COMMENT)\b"),
        ("timeouts", r".*set_config|\s*SET\b|\s*RESET\b"),
    )
)
WRITES = frozenset(
    {
        "ledger write",
        "version write",
        "data of a revision",
        "concurrent index",
        "validation",
        "DDL of a revision",
        IN_ONE,
    }
)
MIGRATES = WRITES - {"ledger write"}

# Strings, names, dollar quotes and comments hold semicolons that end nothing (manual, section 4.1).
_PIECE = re.compile(
    r"""(?: '(?:[^']|'')*' | "[^"]*" | \$(\w*)\$.*?\$\1\$ | --[^\n]* | /\*.*?\*/ | [^;] )+""",
    re.DOTALL | re.VERBOSE,
)


@lru_cache(4096)
def kind_of(sql: str) -> str:
    """What a statement is to the run; ``question`` where it is none of those that have a name."""
    if ";" in sql and any(_is_commit(piece) for piece in pieces_of(sql)[2:]):
        return IN_ONE
    return next((name for name, pattern in _KINDS if pattern.match(sql)), "question")


def pieces_of(sql: str) -> list[str]:
    """The statements of a message, in order and without the semicolons between them."""
    found = (match.group().strip() for match in _PIECE.finditer(sql))
    return [piece for piece in found if piece]


def _is_commit(piece: str) -> bool:
    return piece.upper() == "COMMIT"
