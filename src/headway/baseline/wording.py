"""SQL as SQLAlchemy's ``text()`` takes it, to come out as it was."""

from __future__ import annotations

import re

from headway.autogenerate.statements import escaped

# What text() takes for a colon that is to be one (sqlalchemy.sql.compiler.BIND_PARAMS_ESC).
_ESCAPE = re.compile(r"\\(:[\w$]*)(?![:\w$])")


def verbatim(sql: str) -> str:
    r"""The same with every colon kept: none begins a parameter, and ``\:`` stays ``\:``."""
    return escaped(_ESCAPE.sub(r"\\\\\1", sql))
