"""JSON documents: one per command, with ``format_version``, stable ``snake_case`` keys, ISO 8601 dates."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from headway import Preview, StatementReview, StepReview
    from headway.errors import HeadwayError

FORMAT_VERSION = 1
"""Raised only when a key is renamed, removed or changes its meaning; a new key does not raise it."""


def render(content: dict[str, Any]) -> str:
    """One document as text; ASCII, so that no encoding of stdout can harm it."""
    return json.dumps({"format_version": FORMAT_VERSION, **plain(content)}, indent=2)


def describe(result: DataclassInstance, *also: str) -> dict[str, Any]:
    """A result's fields, and those of its properties that are answers too (``pending``, ``at_head``)."""
    names = [*(field.name for field in fields(result)), *also]
    return {name: plain(getattr(result, name)) for name in names}


def describe_preview(preview: Preview) -> dict[str, Any]:
    """A plan beside its database; a statement's ``size_bytes`` are what it rewrites or reads through."""

    def statement(review: StatementReview) -> dict[str, Any]:
        return {**describe(review, "effort"), "size_bytes": preview.size_of(review)}

    def step(review: StepReview) -> dict[str, Any]:
        return {**describe(review), "statements": [statement(each) for each in review.statements]}

    steps = [step(each) for each in preview.steps]
    return {**describe(preview, "losses", "findings"), "steps": steps}


def describe_error(error: HeadwayError) -> dict[str, Any]:
    """Type, message, hint and every attribute the error carries."""
    facts = {name: plain(value) for name, value in vars(error).items() if not name.startswith("_")}
    return {"type": type(error).__name__, "message": error.message, "hint": error.hint} | facts


def plain(value: Any) -> Any:
    """Reduce a value to what JSON holds."""
    match value:
        case Enum():
            found = plain(value.value)
        case None | str() | int() | float():
            found = value
        case date():
            found = value.isoformat()
        case dict():
            found = {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            found = [plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            found = describe(value)
        case _:
            found = str(value)
    return found
