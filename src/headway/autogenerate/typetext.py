"""Column types as a revision file writes them, with the imports they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.types import TypeEngine

_DIALECTS = "sqlalchemy.dialects."
_KNOWN = ("sqlalchemy.", "pgvector.")


def type_text(type_: TypeEngine[Any], context: AutogenContext) -> str | None:
    """A type as Python; ``None`` where Alembic's own rendering will do.

    A TypeDecorator is written as the type it stands for on PostgreSQL: that is what the column is, and the
    file goes on working when the application's class has moved. An enum that is no type in PostgreSQL is
    the text it is kept as.
    """
    if getattr(type_, "_variant_mapping", None) or isinstance(type_, postgresql.DOMAIN):
        return None
    return _text(type_, context)


def _text(type_: TypeEngine[Any], context: AutogenContext) -> str:
    if isinstance(type_, sa.types.TypeDecorator) and not type(type_).__module__.startswith(_KNOWN):
        return _text(type_.load_dialect_impl(context.migration_context.dialect), context)
    if isinstance(type_, sa.ARRAY):
        return _array(type_, context)
    if isinstance(type_, sa.Enum):
        return _enum(type_, context)
    bare = _qualifier(type_, context)
    if isinstance(type_, postgresql.JSON | postgresql.HSTORE):
        return f"{bare}{type(type_).__name__}()"
    return f"{bare}{type_!r}"


def _array(type_: sa.ARRAY[Any], context: AutogenContext) -> str:
    dimensions = f", dimensions={type_.dimensions}" if type_.dimensions else ""
    return f"{_qualifier(type_, context)}ARRAY({_text(type_.item_type, context)}{dimensions})"


def _enum(type_: sa.Enum, context: AutogenContext) -> str:
    values = ", ".join(repr(value) for value in type_.enums)
    if isinstance(type_, postgresql.ENUM) or type_.native_enum:
        schema = f", schema={type_.schema!r}" if type_.schema else ""
        # alembic-postgresql-enum creates and drops the type by itself, and says so in the type's repr alone.
        apart = getattr(type_, "create_type", True) is False or "create_type=False" in repr(type_)
        made = ", create_type=False" if apart else ""
        qualifier = _in_dialect(context) if made else _qualifier(type_, context)
        class_ = "ENUM" if made or isinstance(type_, postgresql.ENUM) else "Enum"
        return f"{qualifier}{class_}({values}, name={str(type_.name)!r}{schema}{made})"
    if not type_.create_constraint:
        return f"{_of_sqlalchemy(context)}String(length={type_.length})"
    named = f", name={str(type_.name)!r}" if type_.name else ""
    return (
        f"{_of_sqlalchemy(context)}Enum({values}{named}, native_enum=False, create_constraint=True, "
        f"length={type_.length})"
    )


def _qualifier(type_: TypeEngine[Any], context: AutogenContext) -> str:
    """What stands before the class's name; its import is noted."""
    module = type(type_).__module__
    if module.startswith(_DIALECTS):
        return _in_dialect(context, module.removeprefix(_DIALECTS).partition(".")[0])
    if module.startswith("sqlalchemy."):
        return _of_sqlalchemy(context)
    if module.startswith("pgvector."):
        context.imports.add(f"from pgvector.sqlalchemy import {type(type_).__name__}")
        return ""
    prefix = context.opts.get("user_module_prefix")
    if prefix is None:
        context.imports.add(f"import {module}")
        return f"{module}."
    return str(prefix)


def _in_dialect(context: AutogenContext, dialect: str = "postgresql") -> str:
    context.imports.add(f"from sqlalchemy.dialects import {dialect}")
    return f"{dialect}."


def _of_sqlalchemy(context: AutogenContext) -> str:
    return str(context.opts.get("sqlalchemy_module_prefix") or "")
