"""Pairs of models that random ones failed on once, named by what went wrong."""

from __future__ import annotations

from dataclasses import dataclass

from model_sets import Col, Models, Tab, Unique

NOTHING = Models()
ID = Col("id", "sa.Integer()", null=False)


@dataclass(frozen=True)
class Case:
    """``after`` follows ``before``, and the other way round as well where that is its own case."""

    name: str
    before: Models
    after: Models = NOTHING


CASES = [
    Case(
        "a dropped table comes back with its constraint deferrable",
        Models(
            (
                Tab(
                    "orders",
                    (ID, Col("a", "sa.Text()")),
                    "other",
                    key=("id",),
                    uniques=(Unique("uq", ("a",), "deferrable=True, initially='DEFERRED'"),),
                ),
            )
        ),
    ),
]
