"""A pytest plugin for Alembic's own tests: on asyncpg, and with headway's comparison when asked.

``HEADWAY_PEER=loaded`` has headway's plugin registered, as wherever headway is installed; ``named`` has every
comparison made with it as well.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Before SQLAlchemy's test plugin connects."""
    from sqlalchemy.dialects.postgresql import provision

    # It would create citext and hstore, which no autogenerate test uses and not every server has.
    provision._extensions.clear()
    if wanted := os.environ.get("HEADWAY_PEER"):
        from headway.autogenerate import plugin

        plugin.register()
        if wanted == "named":
            _compare_with_headway()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(obj: object) -> None:
    """Have a class's own set-up run where asyncpg can work; SQLAlchemy's plugin does so for the rest."""
    if inspect.isclass(obj):
        for cls in obj.__mro__[:-1]:
            for name in ("setup_class", "teardown_class"):
                method = vars(cls).get(name)
                if isinstance(method, classmethod) and method not in _wrapped:
                    wrapped = _in_greenlet(method)
                    _wrapped.append(wrapped)
                    setattr(cls, name, wrapped)


def _in_greenlet(method: classmethod[Any, Any, Any]) -> classmethod[Any, Any, Any]:
    from sqlalchemy.testing import asyncio

    def call(cls: type) -> Any:
        return asyncio._assume_async(method.__func__, cls)  # type: ignore[no-untyped-call]  # not annotated

    return classmethod(call)


_wrapped: list[Any] = []


def _compare_with_headway() -> None:
    from alembic.runtime.plugins import Plugin

    populate = Plugin.populate_autogenerate_priority_dispatch

    def populate_with_headway(comparators: Any, include_plugins: list[str]) -> None:
        populate(comparators, [*include_plugins, "headway.*"])

    Plugin.populate_autogenerate_priority_dispatch = staticmethod(populate_with_headway)  # type: ignore[method-assign]  # for this process
