"""Route ``alembic.op`` and ``alembic.context`` to the migration of the task that calls them.

Both are process globals in Alembic: one ``_proxy`` that the last comer owns, so two upgrades in one
process run each other's DDL (design.md, fact 1). Here the proxy is a router that asks a context variable.
SQLAlchemy's greenlets share the context of the task that spawned them, so a revision always reaches the
operations of its own run, however tasks and threads interleave.

Alembic's own commands install their proxies past us, so importing this module replaces the two methods
that do it, ``ModuleClsProxy._install_proxy`` and ``_remove_proxy``. Patching is right here, and only here:
Alembic offers no hook, and a router that its commands displace protects nobody; the global is the fault,
and whoever installs a proxy means his own run by it. The patch is made once, under the import lock, and
making it again changes nothing. Code that runs one migration at a time sees what it always saw:

- ``context.config`` and ``context.script`` are the very objects, and missing while no environment is open;
- environments may be nested, and the outer one is back after the inner one (Alembic forgets it);
- operations that end go back to the run they were opened in, to nothing where there is none;
- a thread started inside a revision has an empty context, and uses the innermost open run, as it used the
  global. While several unrelated runs are open nobody can tell which it means, so it is refused rather than
  given somebody else's database; ``contextvars.copy_context().run`` in the thread says which.

What was installed before this module was imported, or put into ``_proxy`` by hand, counts as such a run.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import alembic.context
import alembic.op  # both modules must have declared themselves before they are routed
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.util.langhelpers import ModuleClsProxy

from headway.alembic_bridge import companion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    from alembic.operations import MigrateOperation


@dataclass(eq=False, slots=True)
class _Opened:
    """An environment that is open somewhere in the process, and the operations last installed in it."""

    environment: EnvironmentContext | None = None
    operations: Operations | None = None
    outer: _Opened | None = None

    def chain(self) -> Iterator[_Opened]:
        """This one and those it is nested in."""
        opened: _Opened | None = self
        while opened is not None:
            yield opened
            opened = opened.outer


@dataclass(frozen=True, slots=True)
class _Routes:
    """What the modules mean in one context; ``lasting`` is what operations that end go back to."""

    opened: _Opened
    operations: Operations | None = None
    lasting: Operations | None = None
    outer: _Routes | None = None


# Stands for no environment: for operations installed without one, and for what was found in `_proxy`.
_bare = _Opened()
_routes: ContextVar[_Routes] = ContextVar("headway_routes", default=_Routes(_bare))  # noqa: B039  # shared on purpose
_open: list[_Opened] = []
_lock = threading.RLock()


def _only_one_open() -> _Opened | None:
    """The innermost run that is open; ``None`` when others are that it is not nested in."""
    with _lock:
        if not _open:
            return _bare
        innermost, everybody = _open[-1], [*_open, _bare]
    nested = {id(opened.environment) for opened in innermost.chain()}
    known = {id(opened.environment) for opened in everybody if opened.environment is not None}
    return innermost if known <= nested else None


def _run_meant() -> _Opened | None:
    opened = _routes.get().opened
    return opened if opened is not _bare else _only_one_open()


def _current_environment() -> EnvironmentContext | None:
    opened = _run_meant()
    return opened.environment if opened else None


def _current_operations() -> Operations | None:
    operations = _routes.get().operations
    if operations is None and (opened := _run_meant()):
        operations = opened.operations
    return operations


class _Router:
    """Stands where Alembic keeps a proxy; every attribute is that of the calling task's own object."""

    def __init__(
        self, kind: type[ModuleClsProxy], current: Callable[[], object], found: Callable[[Any], None]
    ) -> None:
        self._kind = kind
        self._current = current
        self._found = found

    def install(self) -> None:
        """Take the place of the proxy, and of the attributes beside it, in every module of the class."""
        attributes, modules = ModuleClsProxy._setups[self._kind]  # noqa: SLF001  # a canary watches it
        for namespace, _ in modules:
            present = namespace.get("_proxy")
            if present is not self:
                self._found(present)
                namespace["_proxy"] = self
            # A module asks its own `__getattr__` (PEP 562) for what it does not hold.
            namespace["__getattr__"] = self._attribute_of(namespace, attributes)
            for attribute in attributes:
                namespace.pop(attribute, None)

    def _attribute_of(
        self, namespace: MutableMapping[str, Any], attributes: set[str]
    ) -> Callable[[str], Any]:
        def attribute_of(name: str) -> Any:
            target = self._current() if name in attributes else None
            if target is not None:
                return getattr(target, name)
            if self._kind is Operations and companion.adds(name):
                return namespace[name]
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")

        return attribute_of

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # copy, pickle and inspect ask for these
            raise AttributeError(attribute)
        target = self._current()
        if target is None:
            raise NameError(
                f"Can't use {attribute}() of Alembic's {self._kind.__name__} here: no migration is running "
                "in this task. A thread of a revision's own runs its code by contextvars.copy_context().run."
            )
        return getattr(target, attribute)


def _found_operations(present: Operations | None) -> None:
    _bare.operations = present


def _found_environment(present: EnvironmentContext | None) -> None:
    _bare.environment = present


_routers: dict[type, _Router] = {
    Operations: _Router(Operations, _current_operations, _found_operations),
    EnvironmentContext: _Router(EnvironmentContext, _current_environment, _found_environment),
}


def _enter(environment: EnvironmentContext) -> None:
    routes = _routes.get()
    nested_in = routes.opened if routes.opened is not _bare else None
    opened = _Opened(environment, outer=nested_in)
    with _lock:
        _open.append(opened)
    _routes.set(_Routes(opened, routes.operations, routes.operations, outer=routes))


def _leave(environment: EnvironmentContext) -> None:
    """Close an environment, opened in this context or in another."""
    with _lock:
        if _bare.environment is environment:
            _bare.environment = None
        for opened in reversed(_open):
            if opened.environment is environment:
                _open.remove(opened)
                break
    # Not the one just closed in particular: where it was opened is where it counts.
    routes: _Routes | None = _routes.get()
    while routes is not None:
        if routes.opened.environment is environment:
            _routes.set(routes.outer or _Routes(_bare))
            return
        routes = routes.outer


def _begin(operations: Operations) -> None:
    routes = _routes.get()
    _routes.set(replace(routes, operations=operations))
    routes.opened.operations = operations


def _end(operations: Operations) -> None:
    """Go back to the operations of the run; those of a failed ``Operations.context`` never come here."""
    routes = _routes.get()
    if routes.operations is operations:
        _routes.set(replace(routes, operations=routes.lasting))
    with _lock:
        for opened in (*_open, _bare):
            if opened.operations is operations:
                opened.operations = routes.lasting if opened is routes.opened else None


_alembics_install = ModuleClsProxy._install_proxy  # noqa: SLF001  # as are the names below, under canaries
_alembics_remove = ModuleClsProxy._remove_proxy  # noqa: SLF001


def _install_proxy(self: ModuleClsProxy) -> None:
    router = _routers.get(type(self))
    if router is None:
        _alembics_install(self)
        return
    with _lock:
        router.install()
    if isinstance(self, EnvironmentContext):
        _enter(self)
    elif isinstance(self, Operations):
        _begin(self)


def _remove_proxy(self: ModuleClsProxy) -> None:
    if type(self) not in _routers:
        _alembics_remove(self)
    elif isinstance(self, EnvironmentContext):
        _leave(self)
    elif isinstance(self, Operations):
        _end(self)


def route() -> None:
    """Put the routers in place; done at import, and harmless when done again."""
    with _lock:
        ModuleClsProxy._install_proxy = _install_proxy  # type: ignore[method-assign]  # noqa: SLF001
        ModuleClsProxy._remove_proxy = _remove_proxy  # type: ignore[method-assign]  # noqa: SLF001
        for router in _routers.values():
            router.install()


def invoke(operation: MigrateOperation) -> None:
    """Run an operation in the revision that is running.

    Raises:
        NameError: none is, as Alembic says of its own operations.
    """
    alembic.op.invoke(operation)


@contextmanager
def operations_of(operations: Operations) -> Iterator[None]:
    """``alembic.op`` means ``operations`` within this block, in this task only."""
    with _lock:
        _routers[Operations].install()
    routes = _routes.get()
    before = routes.opened.operations
    token = _routes.set(replace(routes, operations=operations, lasting=operations))
    routes.opened.operations = operations
    try:
        yield
    finally:
        routes.opened.operations = before
        _routes.reset(token)


@contextmanager
def environment_of(environment: EnvironmentContext) -> Iterator[None]:
    """``alembic.context`` means ``environment`` within this block, in this task only."""
    with environment:
        yield


def alembics_own_environment() -> EnvironmentContext:
    """The environment that ``alembic``'s command installed before it ran env.py.

    Raises:
        NameError: nothing is running; env.py was imported by hand.
    """
    environment = _current_environment()
    if environment is None:
        raise NameError("env.py runs inside `headway` or `alembic`; it cannot be imported by hand.")
    return environment


route()
