"""Enum types as a revision file makes and drops them: as SQL, which ``--sql`` can write too.

The operations are those of alembic-postgresql-enum, known by their names: the package need not be installed.
Its own text for them asks for a connection, which there is none of offline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.autogenerate.literals import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.autogenerate.api import AutogenContext


def statements(operation: Any, context: AutogenContext) -> list[str] | None:
    """What an operation on an enum type sends; ``None`` for one that is not simply SQL."""
    name = getattr(operation, "operation_name", None)
    if name == "create_enum":
        labels = ", ".join(map(literal, operation.enum_values))
        return [f"CREATE TYPE {_type(operation, context)} AS ENUM ({labels})"]
    if name == "drop_enum":
        return [f"DROP TYPE {_type(operation, context)}"]
    if name == "add_enum_value":
        change = f"ALTER TYPE {_type(operation, context)} ADD VALUE"
        return [f"{change} {place}" for place in _places(operation.old_values, operation.new_values)]
    return None


def _places(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Each new label with the old one that it comes before, if one follows."""
    for place, label in enumerate(new):
        if label not in old:
            after = next((other for other in new[place:] if other in old), None)
            yield literal(label) + (f" BEFORE {literal(after)}" if after is not None else "")


def _type(operation: Any, context: AutogenContext) -> str:
    dialect = context.migration_context.dialect
    preparer = dialect.identifier_preparer
    schema = operation.schema
    outside = schema is not None and schema != dialect.default_schema_name
    return (f"{preparer.quote(schema)}." if outside else "") + preparer.quote(operation.name)
