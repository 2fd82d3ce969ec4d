"""The types of pgvector, known to SQLAlchemy's reflection though no model imports them.

SQLAlchemy reads a column's type by the name that PostgreSQL prints, which is with its schema where the
extension is in none of the ``search_path``; pgvector registers the bare names, when it is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Dialect

    from headway.catalogue import ExtensionType

_CLASSES = {"vector": "VECTOR", "halfvec": "HALFVEC", "sparsevec": "SPARSEVEC"}


def know_vectors(dialect: Dialect, types: Iterable[ExtensionType]) -> None:
    """Have this one dialect object know pgvector's types under all the names they have in the database.

    Does nothing where the extension is not there, or the package pgvector is not installed: a model that has
    such a column imports it.
    """
    ours = [type_ for type_ in types if type_.extension == "vector" and type_.name in _CLASSES]
    if not ours:
        return
    try:
        package = import_module("pgvector.sqlalchemy")
    except ImportError:
        return
    names: dict[str, Any] = {}
    for type_ in ours:
        class_ = getattr(package, _CLASSES[type_.name])
        for schema in (type_.schema, f'"{type_.schema}"'):
            names[f"{schema}.{type_.name}".lower()] = class_
        names[type_.name] = class_
    known: Any = dialect
    known.ischema_names = {**known.ischema_names, **names}
