"""Read a database's catalogue: one statement, whatever the number of schemas and tables."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from headway.catalogue.queries import EVERYTHING, SOME_TABLES, TABLES_ONLY
from headway.catalogue.shapes import (
    Catalogue,
    Column,
    Constraint,
    EnumType,
    Extension,
    ExtensionType,
    Identity,
    Index,
    IndexElement,
    Sequence,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy.engine import Connection

    from headway.catalogue.shapes import Name

SCRATCH = "pg_temp"
"""As a schema: the one of this session's temporary tables."""

_EVERYTHING, _SOME_TABLES, _TABLES_ONLY = text(EVERYTHING), text(SOME_TABLES), text(TABLES_ONLY)


def read_catalogue(
    connection: Connection,
    schemas: Iterable[str],
    *,
    tables_only: bool = False,
    only: Collection[int] | None = None,
    spellings: Mapping[str, str] | None = None,
) -> Catalogue:
    """What ``schemas`` hold, as the caller's transaction sees it.

    The statement empties the ``search_path`` first, to the end of the transaction, so that every name in a
    text comes with its schema. A caller that needs its path afterwards reads behind a savepoint.
    Nothing is locked: only system catalogues are read.

    Args:
        connection: in a transaction, or about to begin one.
        schemas: names, not quoted; one that does not exist holds nothing. :data:`SCRATCH` stands for this
            session's temporary tables.
        tables_only: leave out enums, sequences and extensions.
        only: the oids of the tables to read, temporary ones aside, and then neither sequences nor extensions;
            all of them when ``None``.
        spellings: temporary types as they are printed, with what to read in their place, in columns' types
            and in casts.

    Raises:
        sqlalchemy.exc.DBAPIError: the catalogue cannot be read.
    """
    asked: dict[str, Any] = {"schemas": sorted(schemas)}
    if only is None:
        rows = connection.execute(_TABLES_ONLY if tables_only else _EVERYTHING, asked).all()
    else:
        rows = connection.execute(_SOME_TABLES, asked | {"only": [*only]}).all()
    parts: dict[str, list[tuple[int, Any]]] = {}
    for kind, relation, item in rows:
        parts.setdefault(kind, []).append((relation, json.loads(_respelled(item, spellings or {}))))
    plain = {kind: [item for _, item in found] for kind, found in parts.items()}
    enums = [EnumType(**item | {"labels": _tuple(item["labels"])}) for item in plain.get("enum", [])]
    sequences = [_sequence(item) for item in plain.get("sequence", [])]
    return Catalogue(
        tables={(table.schema, table.name): table for table in _tables(parts)},
        enums={(enum.schema, enum.name): enum for enum in enums},
        sequences={(sequence.schema, sequence.name): sequence for sequence in sequences},
        extensions={item["name"]: Extension(**item) for item in plain.get("extension", [])},
        extension_types=tuple(ExtensionType(**item) for item in plain.get("extension_type", [])),
    )


def _respelled(item: str, spellings: Mapping[str, str]) -> str:
    for printed, read in spellings.items():
        one, other = (json.dumps(name, ensure_ascii=False)[1:-1] for name in (printed, read))
        # A temporary type is printed without a schema where the search path is empty.
        pattern = rf'(::|"type": "){re.escape(one)}(?![\w$])'
        item = re.sub(pattern, lambda found, name=other: found[1] + name, item)  # type: ignore[misc]  # name is a str
    return item


def _tables(parts: Mapping[str, list[tuple[int, Any]]]) -> Iterable[Table]:
    columns = _grouped(parts.get("column", []), _column)
    constraints = _grouped(parts.get("constraint", []), _constraint)
    indexes = _grouped(parts.get("index", []), _index)
    for relation, item in parts.get("table", []):
        yield Table(
            **item | {"parent": _name(item["parent"])},
            columns=tuple(columns.get(relation, [])),
            constraints=tuple(sorted(constraints.get(relation, []), key=lambda found: found.name)),
            indexes=tuple(sorted(indexes.get(relation, []), key=lambda found: found.name)),
        )


def _grouped(found: list[tuple[int, Any]], shape: Any) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for relation, item in found:
        groups.setdefault(relation, []).append(shape(item))
    return groups


def _column(item: dict[str, Any]) -> Column:
    identity = Identity(**item["identity"]) if item["identity"] else None
    return Column(**item | {"identity": identity, "serial": _name(item["serial"])})


def _constraint(item: dict[str, Any]) -> Constraint:
    lists = {key: _tuple(item[key]) for key in ("columns", "referred_columns", "operators")}
    return Constraint(**item | lists | {"referred": _name(item["referred"])})


def _index(item: dict[str, Any]) -> Index:
    lists = {key: _tuple(item[key]) for key in ("include", "options")}
    return Index(**item | lists | {"elements": tuple(map(_element, item["elements"] or []))})


def _element(item: dict[str, Any]) -> IndexElement:
    names = {key: _name(item[key]) for key in ("opclass", "collation")}
    return IndexElement(**item | names | {"options": _tuple(item["options"])})


def _sequence(item: dict[str, Any]) -> Sequence:
    owner = item["owner"]
    return Sequence(**item | {"owner": ((owner[0], owner[1]), owner[2]) if owner else None})


def _name(pair: list[str] | None) -> Name | None:
    return (pair[0], pair[1]) if pair else None


def _tuple(items: list[str] | None) -> tuple[str, ...]:
    return tuple(items or ())
