"""A pytest plugin for Alembic's own tests: on asyncpg, and with headway's comparison when asked.

``HEADWAY_PEER=1`` has every comparison made with headway's plugin as well as Alembic's own.
"""

from __future__ import annotations

import os
from typing import Any

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Before SQLAlchemy's test plugin connects."""
    from sqlalchemy.dialects.postgresql import provision

    # It would create citext and hstore, which no autogenerate test uses and not every server has.
    provision._extensions.clear()
    if os.environ.get("HEADWAY_PEER"):
        _compare_with_headway()


def _compare_with_headway() -> None:
    from alembic.runtime.plugins import Plugin

    from headway.autogenerate import plugin

    plugin.register()
    populate = Plugin.populate_autogenerate_priority_dispatch

    def populate_with_headway(comparators: Any, include_plugins: list[str]) -> None:
        populate(comparators, [*include_plugins, "headway.*"])

    Plugin.populate_autogenerate_priority_dispatch = staticmethod(populate_with_headway)  # type: ignore[assignment,method-assign]  # for this process
