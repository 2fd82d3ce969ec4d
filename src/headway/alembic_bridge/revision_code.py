"""A revision file's code: its functions, and what the file says about how to run them."""

from __future__ import annotations

import os
import re
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

from alembic.util.pyfiles import load_module_py

from headway.alembic_bridge.code import RevisionCode
from headway.alembic_bridge.repeatable import is_repeatable
from headway.alembic_bridge.sql_code import load_sql
from headway.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from headway.results import Direction


_NO_LETTER = re.compile(r"\W")


def load_code(path: Path, direction: Direction) -> RevisionCode:
    """Execute one revision file, or read one in SQL; return what one direction does, with its wishes.

    Raises:
        RefusedError: the function is a coroutine function, the file calls ``sys.exit()``, or there is no file
            that undoes an SQL revision.
        GraphError: what is in an SQL revision's file cannot be run.
        AttributeError: the file has no such function.
        Exception: whatever executing the file raises.
    """
    if path.suffix == ".sql":
        return load_sql(path, direction)
    try:
        # What Alembic makes of a source file; whether bytecode is left of one that is gone is not asked.
        module = load_module_py(_NO_LETTER.sub("_", path.name), os.fspath(path))
    except SystemExit as error:
        raise _refused(error.code) from error
    function = getattr(module, direction.value, None)
    if not callable(function):
        # What a plain `module.upgrade` would raise.
        raise AttributeError(f"{path.name} has no function {direction.value}()")  # noqa: TRY004
    return code_of(function, module)


def code_of(function: Callable[[], None], module: ModuleType | None) -> RevisionCode:
    """A revision's function with the wishes of its module; ``None`` has none.

    Raises:
        RefusedError: it is a coroutine function.
    """
    if iscoroutinefunction(function):
        raise RefusedError(
            f"{function.__name__}() is an `async def`, and would never run",
            hint="Write a plain `def`; its statements do not block the event loop.",
        )

    def run() -> None:
        try:
            function()
        except SystemExit as error:
            raise _refused(error.code) from error

    return RevisionCode(
        function=run,
        transactional=bool(getattr(module, "transactional", True)),
        repeatable=is_repeatable(function),
        lock_timeout=getattr(module, "lock_timeout", None),
        statement_timeout=getattr(module, "statement_timeout", None),
        idle_in_transaction_session_timeout=getattr(module, "idle_in_transaction_session_timeout", None),
        client_connection_check_interval=getattr(module, "client_connection_check_interval", None),
    )


def _refused(code: object) -> RefusedError:
    """A revision that ends the process would end it with somebody else's exit code."""
    return RefusedError(f"the revision called sys.exit({code!r})", hint="Raise an exception instead.")
