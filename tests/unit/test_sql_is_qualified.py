"""Every function and catalogue relation in our own SQL is named with its schema.

It runs as the migrating role, often a privileged one. Whoever may create functions in a schema of its search
path could give one the name and the exact argument types of what we call, and have it run in its name.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "src" / "headway"

_SQL = re.compile(r"\b(?:SELECT|UPDATE|INSERT|DELETE|FROM|JOIN|WHERE|CASE|CAST|AND|AS|EXISTS|SET|ORDER BY)\b")
_CALL = re.compile(r"(?<![\w.%'])([a-z_][a-z0-9_]*)\(")
_CATALOGUE = re.compile(r"\b(?:FROM|JOIN)\s+(pg_(?!catalog\.)[a-z0-9_]+|information_schema\b(?!\.))")
# Only ever called in SQL, so a fragment without a keyword gives itself away by them.
_OURS = re.compile(
    r"(?<![\w.])((?:pg_(?!catalog\b)\w+|set_config|current_setting|to_regclass|quote_ident|to_char))\("
)
_REGULAR_EXPRESSION = re.compile(r"\(\?|\\[sbw]")

# Syntax, or a type with its length; PostgreSQL looks up no function of that name.
_SYNTAX = frozenset({"coalesce", "nullif", "greatest", "least", "numeric", "varchar"})
# What people are told to run themselves, or told about.
_TOLD = {
    "bundle/opening.py": {"headway_close"},  # a prepared statement, which no schema holds
    "bundle/single.py": {"headway_journal"},  # as above
    "bundle/steps.py": {"pg_advisory_unlock_all"},
    "capabilities/requirements.py": {"pg_reload_conf"},
    "clearing.py": {"pg_terminate_backend"},
    "journal.py": {"now", "gen_random_uuid"},
    "lint/judging/indexes.py": {"count"},
    "lint/recipes.py": {"pg_get_serial_sequence", "setval"},
    "lock.py": {"pg_terminate_backend", "pg_advisory_unlock_all"},
    "lost_commit.py": {"pg_xact_status"},
    "attempt.py": {"pg_advisory_unlock_all"},
    "enclosure.py": {"commit", "rollback"},
    "statements.py": {"pg_advisory_unlock_all"},
}


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string of the code, an f-string whole with ``{}`` for what it fills in; no docstrings."""
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in skipped:
            skipped |= {id(part) for part in node.values}
            parts = [
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "{}"
                for part in node.values
            ]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def unqualified(source: str) -> list[tuple[int, str]]:
    """The names without a schema in a module's SQL, each with the line its string begins in."""
    found = []
    for line, written in _strings(ast.parse(source)):
        if _REGULAR_EXPRESSION.search(written):
            continue
        names = set(_OURS.findall(written))
        if _SQL.search(written):
            names |= {*_CALL.findall(written), *_CATALOGUE.findall(written)} - _SYNTAX
        found += [(line, name) for name in sorted(names)]
    return found


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("SELECT now()", ["now"]),
        ("SELECT pg_catalog.now()", []),
        ("SELECT coalesce(a, b) FROM pg_catalog.pg_class", []),
        ("SELECT a FROM pg_class", ["pg_class"]),
        ("SELECT a FROM t LEFT JOIN pg_locks AS b ON true", ["pg_locks"]),
        ("SELECT a FROM information_schema.tables", []),
        ("set_config('a', :b, true)", ["set_config"]),
        ("a sentence with a name (and a remark)", []),
    ],
)
def test_an_unqualified_name_is_found(statement: str, names: list[str]) -> None:
    assert [name for _, name in unqualified(f"X = {statement!r}")] == names


def test_an_f_string_is_read_as_one() -> None:
    assert unqualified("x = f\"SELECT {a}, {', '.join(b)}, left(c, 8)\"") == [(1, "left")]


@pytest.mark.parametrize(
    "path",
    # SQLite has no search path that could lead elsewhere, and its functions no schema.
    sorted({*PACKAGE.rglob("*.py")} - {*(PACKAGE / "sqlite").rglob("*.py")}),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_name_of_ours_is_without_its_schema(path: Path) -> None:
    told = _TOLD.get(path.relative_to(PACKAGE).as_posix(), set())
    found = unqualified(path.read_text(encoding="utf-8"))
    assert [(line, name) for line, name in found if name not in told] == []
