"""alembic-postgresql-enum's operations, for revisions that call them and do not import the package.

To import the package is what adds ``op.sync_enum_values`` and the like, and it takes a while that most runs
need not spend. So it is imported when ``alembic.op`` is asked for a name that it lacks.
"""

from __future__ import annotations

import alembic.op


def adds(name: str) -> bool:
    """Whether the package is installed and has added this name to ``alembic.op``, now that it is imported."""
    if name.startswith("__"):  # copy, pickle and inspect ask for these
        return False
    from headway.autogenerate import enums

    return enums.activate() and name in vars(alembic.op)
