"""Pairs of models that random ones failed on once, named by what went wrong."""

from __future__ import annotations

from dataclasses import dataclass

from model_sets import Col, Enumeration, Foreign, Ind, Models, Tab, Unique

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
    Case(
        "a partial index on a column that is itself the condition",
        Models(
            (
                Tab(
                    "t",
                    (ID, Col("Mixed", "sa.Boolean()")),
                    key=("id",),
                    indexes=(Ind("ix", "c['Mixed']", ("Mixed",), "postgresql_where=c['Mixed']"),),
                ),
            )
        ),
    ),
    Case(
        "a text key that becomes a serial of its own type",
        Models((Tab("t", (Col("id", "sa.String(20)", null=False),), key=("id",)),)),
        Models((Tab("t", (ID,), key=("id",)),)),
    ),
    Case(
        "a serial that becomes a bigint, whose counter goes as far",
        Models((Tab("t", (ID,), "Mixed Case", key=("id",)),)),
        Models((Tab("t", (Col("id", "sa.BigInteger()", null=False),), "Mixed Case", key=("id",)),)),
    ),
    Case(
        "a foreign key that nobody named, added to a table",
        Models((Tab("t", (ID,), key=("id",)),), naming="nobody"),
        Models(
            (
                Tab(
                    "t",
                    (ID, Col("ref", "sa.Integer()")),
                    key=("id",),
                    foreigns=(Foreign("fk", ("ref",), (None, "t")),),
                ),
            ),
            naming="nobody",
        ),
    ),
    Case(
        "labels of an enum that only an array uses",
        Models(
            (Tab("t", (ID, Col("a", "enum[]:mood")), key=("id",)),), (Enumeration("mood", ("sad", "so so")),)
        ),
        Models(
            (Tab("t", (ID, Col("a", "enum[]:mood")), key=("id",)),), (Enumeration("mood", ("sad", "ok")),)
        ),
    ),
    Case(
        "an enum that goes with its last table, in another schema",
        Models(
            (Tab("t", (ID, Col("a", "enum:Color")), "other", key=("id",)),),
            (Enumeration("Color", ("red", "dark red"), "other"),),
        ),
    ),
    Case(
        "a column that becomes an enum",
        Models((Tab("t", (ID, Col("a", "sa.Text()")), "other", key=("id",)),)),
        Models(
            (Tab("t", (ID, Col("a", "enum:mood")), "other", key=("id",)),),
            (Enumeration("mood", ("sad", "ok")),),
        ),
    ),
]
