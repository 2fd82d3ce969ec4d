"""What all tables share: constraint names, timestamps, and the kinds of column that repeat.

``doc=`` says what a column means. It stays in Python and in the schema reference: as database comments
the hundred-odd sentences would each be a statement in the first migration.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Enum, MetaData, SmallInteger, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

NAMING_CONVENTION = {
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

LONGEST_WORD = 20  # room in the column for any word of a vocabulary, and for longer ones to come


class Base(DeclarativeBase):
    """Root of the models; ``Base.metadata`` is what migrations are compared with."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    # An async session cannot load an expired updated_at on attribute access, so UPDATE returns it.
    # A ClassVar is what it is, but SQLAlchemy's own declaration is not one, and mypy wants them alike.
    __mapper_args__: Any = {"eager_defaults": True}  # noqa: RUF012


class Timestamped:
    """When the row was made and last changed, by the database's clock."""

    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), sort_order=998, doc="When the row was created."
    )
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True),
        server_default=func.now(),
        onupdate=func.now(),
        sort_order=999,
        doc="When the row was last changed through the application.",
    )


def identifier() -> MappedColumn[UUID]:
    """A primary key that the database makes up."""
    return mapped_column(
        Uuid, primary_key=True, server_default=func.gen_random_uuid(), doc="Made up by the database."
    )


def json_array(doc: str) -> MappedColumn[Any]:
    """A JSONB column that holds an array; empty by default, never NULL."""
    return mapped_column(JSONB, server_default=text("'[]'::jsonb"), doc=doc)


def json_object(doc: str, *, name: str | None = None) -> MappedColumn[Any]:
    """A JSONB column that holds an object; empty by default, never NULL.

    ``name`` is the column's name where it differs from the attribute's.
    """
    return mapped_column(name, JSONB, server_default=text("'{}'::jsonb"), doc=doc)


def progress() -> MappedColumn[int]:
    """How much is done, in percent; pair it with :func:`progress_is_a_percentage`."""
    return mapped_column(SmallInteger, server_default=text("0"), doc="How much is done, in percent.")


def progress_is_a_percentage() -> CheckConstraint:
    """The constraint that belongs to :func:`progress`."""
    return CheckConstraint("progress BETWEEN 0 AND 100", name="progress")


def word(vocabulary: type[StrEnum], doc: str, *, default: StrEnum | None = None) -> MappedColumn[Any]:
    """A column that holds one word of a vocabulary; pair it with :func:`only_words_of`.

    Text with a CHECK rather than an enum type: a new word then costs a constraint swap, which can be
    rolled back, where ``ALTER TYPE … ADD VALUE`` cannot be.
    """
    return mapped_column(
        Enum(vocabulary, native_enum=False, length=LONGEST_WORD, values_callable=_values),
        server_default=None if default is None else default.value,
        doc=doc,
    )


def only_words_of(vocabulary: type[StrEnum], column: str) -> CheckConstraint:
    """The constraint that keeps ``column`` within ``vocabulary``; NULL passes, as with any CHECK."""
    words = ", ".join(f"'{value}'" for value in _values(vocabulary))
    return CheckConstraint(f"{column} IN ({words})", name=column)


def _values(vocabulary: type[StrEnum]) -> list[str]:
    return [member.value for member in vocabulary]
