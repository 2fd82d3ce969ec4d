"""What the ledger's table and view are called, and how autogenerate is kept from seeing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from headway.errors import ConfigurationError

IncludeObject: TypeAlias = Callable[[Any, Any, Any, bool, Any], bool]
"""Alembic's ``include_object(object, name, type_, reflected, compare_to)``."""

LAYOUT_COLUMN = "ledger_layout"
"""By this column a table is known to be headway's: no other tool's table has it."""

_LONGEST_NAME = 63
"""In bytes; PostgreSQL cuts what is longer (manual, section 4.1.1), and would then find another object."""


@dataclass(frozen=True, slots=True)
class LedgerNames:
    """Where the ledger is.

    Attributes:
        schema: the schema of both; made when it does not exist. ``None`` is the first of the search path, as
            for ``alembic_version``.
        history: the table.
        view: the view of what is applied now.

    Raises:
        ConfigurationError: a name is empty or over 63 bytes, or both are the same.
    """

    schema: str | None = None
    history: str = "migration_history"
    view: str = "schema_migrations"

    def __post_init__(self) -> None:
        for name in (self.schema, self.history, self.view):
            if name is not None and not 0 < len(name.encode()) <= _LONGEST_NAME:
                raise ConfigurationError(
                    "the ledger's names",
                    f"{name!r} is not a name PostgreSQL keeps (1 to {_LONGEST_NAME} bytes)",
                    example="migration_history",
                )
        if self.history == self.view:
            raise ConfigurationError(
                "the ledger's names",
                f"table and view are both called {self.history!r}",
                example="migration_history and schema_migrations",
            )


def quoted(identifier: str) -> str:
    """An identifier for SQL inside SQLAlchemy's ``text()``, where a colon would begin a parameter."""
    return '"' + identifier.replace('"', '""').replace(":", r"\:") + '"'


def ledger_filter(names: LedgerNames, include_object: IncludeObject | None = None) -> IncludeObject:
    """Keep autogenerate and ``check`` from proposing to drop the ledger.

    Args:
        names: what the ledger is called. In every schema a table of that name is left out if it is a ledger
            (so with ``include_schemas`` each tenant's is); one that merely shares the name is compared.
        include_object: the user's own filter, asked about everything else.

    Returns:
        A function for ``context.configure(include_object=…)``. The view needs none: Alembic compares tables.
    """

    def include(  # Alembic calls it by position, with these five
        item: Any,
        name: Any,
        type_: Any,
        reflected: bool,  # noqa: FBT001  # Alembic's signature
        compare_to: Any,
    ) -> bool:
        if reflected and type_ == "table" and name == names.history and LAYOUT_COLUMN in item.columns:
            return False
        return include_object is None or include_object(item, name, type_, reflected, compare_to)

    return include
