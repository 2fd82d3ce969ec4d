"""Whether nobody could tell that a revision's function was called twice; known without calling it.

It is called a first time without a database, to note what it emits. Whatever it does besides would then be
done twice, and an iterator that it reads would be empty at the second call. So every name that it uses must
be known to be harmless. What is not known counts as harm: that costs speed only.
"""

from __future__ import annotations

import builtins
import dis
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import TextClause
from sqlalchemy.types import TypeEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

# Packages whose functions change nothing but the database, and what they return.
_HARMLESS = frozenset(
    {"alembic", "sqlalchemy", "pgvector", "headway", "datetime", "decimal", "textwrap", "uuid"}
)
_BUILTINS = frozenset(
    {
        *(
            "bool",
            "dict",
            "enumerate",
            "float",
            "format",
            "frozenset",
            "int",
            "isinstance",
            "len",
            "list",
            "map",
        ),
        *("max", "min", "range", "repr", "reversed", "set", "sorted", "str", "sum", "tuple", "zip", "filter"),
        *("Exception", "NotImplementedError", "RuntimeError", "ValueError"),
    }
)
# By these it asks the database, this one or another, or changes what it was given.
_HARMFUL = frozenset(
    {
        *("get_bind", "get_context", "inspect", "bulk_insert", "run_async", "invoke"),
        *("create_engine", "create_async_engine", "engine_from_config", "async_engine_from_config"),
        *("add", "append", "clear", "discard", "extend", "pop", "popitem", "remove", "setdefault", "sort"),
    }
)
# Bytecode that imports, or writes to something that others may see.
_CHANGING = frozenset(
    dis.opmap[name]
    for name in (
        *("IMPORT_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"),
        *("STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR"),
    )
)
_VALUES = (
    str,
    bytes,
    int,
    float,
    Decimal,
    date,
    time,
    timedelta,
    UUID,
    Enum,
    TextClause,
    TypeEngine,
    type(None),
)


def is_repeatable(function: Any) -> bool:
    """Whether calling a revision's function twice does the same as calling it once, the database aside.

    Args:
        function: ``upgrade`` or ``downgrade`` of a revision file.

    Returns:
        ``False`` also where that is not known: the function uses a module, a builtin or an object of its file
        of which nothing is known here, imports something, writes to something, or asks the database.
    """
    return _is_harmless(function, set())


def _is_harmless(value: Any, seen: set[int]) -> bool:
    if isinstance(value, ModuleType):  # most of what a function uses
        return _is_of_harmless_package(value.__name__)
    if isinstance(value, _VALUES) or id(value) in seen:
        return True
    seen.add(id(value))
    if isinstance(value, tuple | list | set | frozenset):
        return all(_is_harmless(each, seen) for each in value)
    if isinstance(value, dict):
        return all(_is_harmless(each, seen) for each in (*value.keys(), *value.values()))
    if isinstance(value, type):
        return _is_of_harmless_package(value.__module__) or issubclass(value, Enum)
    return isinstance(value, FunctionType) and (
        _is_of_harmless_package(value.__module__) or _is_harmless_function(value, seen)
    )


def _is_of_harmless_package(module: object) -> bool:
    return str(module).partition(".")[0] in _HARMLESS


def _is_harmless_function(function: FunctionType, seen: set[int]) -> bool:
    if function.__closure__ or not _is_harmless([function.__defaults__, function.__kwdefaults__], seen):
        return False
    return all(_is_harmless_code(code, function.__globals__, seen) for code in _codes(function.__code__))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function, and of the functions and comprehensions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_harmless_code(code: CodeType, known: dict[str, Any], seen: set[int]) -> bool:
    if not _CHANGING.isdisjoint(code.co_code[::2]):
        return False
    # An attribute that is called as something of the file is looked at as well; it does no harm.
    for name in code.co_names:
        if name in _HARMFUL:
            return False
        if name in known:
            if not _is_harmless(known[name], seen):
                return False
        elif hasattr(builtins, name) and name not in _BUILTINS:
            return False
    return True
