"""Route ``alembic.op`` and ``alembic.context`` to the migration of the task that calls them.

Both are process globals in Alembic: one ``_proxy`` that the last comer owns, so two upgrades in one
event loop run each other's DDL. Here the proxy is a router that asks a context variable. SQLAlchemy's
greenlets share the context of the task that spawned them, so a revision always reaches the operations of
its own run, however tasks and threads interleave.

Code outside headway that installs a proxy of its own keeps it: the router falls back to what it found.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import alembic.context
import alembic.op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from alembic.operations import Operations
    from alembic.runtime.environment import EnvironmentContext

_operations: ContextVar[Operations] = ContextVar("headway_operations")
_environment: ContextVar[EnvironmentContext] = ContextVar("headway_environment")


class _Router:
    """Stands where Alembic keeps a proxy; every attribute is that of the calling task's own object."""

    def __init__(self, module: ModuleType, name: str, current: Callable[[], object]) -> None:
        self._module = module
        self._name = name
        self._current = current
        self._fallback: object = None

    def install(self) -> None:
        """Take the place of what is there, which stays reachable for code that runs outside headway."""
        present = vars(self._module).get(self._name)
        if present is not self:
            self._fallback = present
            setattr(self._module, self._name, self)

    def __getattr__(self, attribute: str) -> Any:
        try:
            target = self._current()
        except LookupError:
            target = self._fallback
        if target is None:
            raise NameError(
                f"Can't use {self._module.__name__}.{attribute} here: no migration is running in this task."
            )
        return getattr(target, attribute)


_op_router = _Router(alembic.op, "_proxy", _operations.get)
_context_router = _Router(alembic.context, "_proxy", _environment.get)
# `alembic.context.config` is a plain module attribute, not a call through the proxy.
_config_router = _Router(alembic.context, "config", lambda: _environment.get().config)


@contextmanager
def operations_of(operations: Operations) -> Iterator[None]:
    """``alembic.op`` means ``operations`` within this block, in this task only."""
    _op_router.install()
    token = _operations.set(operations)
    try:
        yield
    finally:
        _operations.reset(token)


@contextmanager
def environment_of(environment: EnvironmentContext) -> Iterator[None]:
    """``alembic.context`` means ``environment`` within this block, in this task only."""
    _context_router.install()
    _config_router.install()
    token = _environment.set(environment)
    try:
        yield
    finally:
        _environment.reset(token)


def alembics_own_environment() -> EnvironmentContext:
    """The environment that ``alembic``'s command installed before it ran env.py.

    Raises:
        NameError: nothing is running; env.py was imported by hand.
    """
    try:
        return _environment.get()
    except LookupError:
        installed: Any = vars(alembic.context).get("_proxy")
        if isinstance(installed, _Router):
            installed = installed._fallback  # noqa: SLF001  # its own class
        if installed is None:
            raise NameError(
                "env.py runs inside `headway` or `alembic`; it cannot be imported by hand."
            ) from None
        return installed  # type: ignore[no-any-return]  # Alembic types its module attribute as Any
