"""Identity columns in SQL (manual, CREATE SEQUENCE and ALTER TABLE)."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING

from headway import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTABLE = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
"""What a sequence may be of; each with the first number that is too great for it."""


def same_identity(one: catalogue.Column, other: catalogue.Column) -> bool:
    """Whether two identity columns have the same options.

    A limit that is that of the column's type is the same in another: PostgreSQL moves it with the type.
    """
    return _portable(one) == _portable(other)


def identity_sql(column: catalogue.Column) -> str:
    """``GENERATED … AS IDENTITY`` with the options that are not as PostgreSQL sets them by itself."""
    wanted = _identity(column)
    usual = _usual(column)
    options = " ".join(text for text, had in _options(wanted, usual) if had)
    return f"GENERATED {_when(wanted)} AS IDENTITY" + (f" ({options})" if options else "")


def identity_change(before: catalogue.Column, after: catalogue.Column) -> tuple[str, bool]:
    """What follows ALTER COLUMN to give an identity other options, and whether its counter starts anew.

    It does where it may not stay: PostgreSQL refuses limits that it is outside of.
    """
    old, new = _identity(before), _identity(after)
    narrower = new.minimum > old.minimum or new.maximum < old.maximum
    restarts = narrower or (new.increment > 0) != (old.increment > 0)
    changes = [f"SET GENERATED {_when(new)}"] if new.always != old.always else []
    changes += [f"SET {text}" for text, differs in _options(new, old) if differs]
    return " ".join([*changes, "RESTART"] if restarts else changes), restarts


def _options(new: catalogue.Identity, old: catalogue.Identity) -> Iterator[tuple[str, bool]]:
    """Each option of ``new``, and whether ``old`` has another."""
    yield f"START WITH {new.start}", new.start != old.start
    yield f"INCREMENT BY {new.increment}", new.increment != old.increment
    yield f"MINVALUE {new.minimum}", new.minimum != old.minimum
    yield f"MAXVALUE {new.maximum}", new.maximum != old.maximum
    yield f"CACHE {new.cache}", new.cache != old.cache
    yield "CYCLE" if new.cycle else "NO CYCLE", new.cycle != old.cycle


def _when(identity: catalogue.Identity) -> str:
    return "ALWAYS" if identity.always else "BY DEFAULT"


def _usual(column: catalogue.Column) -> catalogue.Identity:
    """The options that PostgreSQL sets where none are given but those that others follow from."""
    given = _identity(column)
    beyond = COUNTABLE.get(column.type, 2**63)
    up = given.increment > 0
    minimum, maximum = (1, beyond - 1) if up else (-beyond, -1)
    start = given.minimum if up else given.maximum
    return catalogue.Identity(given.always, start, 1, minimum, maximum, cache=1, cycle=False)


def _portable(column: catalogue.Column) -> tuple[object, ...]:
    identity = _identity(column)
    beyond = COUNTABLE.get(column.type, 2**63)
    limits = {-beyond: "least", beyond - 1: "greatest"}
    others = astuple(replace(identity, minimum=0, maximum=0))
    return (*others, *(limits.get(limit, limit) for limit in (identity.minimum, identity.maximum)))


def _identity(column: catalogue.Column) -> catalogue.Identity:
    if column.identity is None:
        msg = f"{column.name} is no identity column"
        raise ValueError(msg)
    return column.identity
