"""alembic-postgresql-enum's operations, for revisions that call them and do not import the package.

To import the package is what adds ``op.sync_enum_values`` and the like, and it takes a while that most runs
need not spend. So ``alembic.op`` loads the package when it is asked for a name that it lacks (PEP 562).
"""

from __future__ import annotations

from typing import Any

import alembic.op


def load_when_called() -> None:
    """Have ``alembic.op`` load the package at the first use of a name that it does not have itself."""
    vars(alembic.op).setdefault("__getattr__", _operation)


def _operation(name: str) -> Any:
    from headway.autogenerate import enums

    if not name.startswith("__") and enums.activate() and name in vars(alembic.op):
        return vars(alembic.op)[name]
    raise AttributeError(f"module {alembic.op.__name__!r} has no attribute {name!r}", name=name)
