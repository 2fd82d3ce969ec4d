"""Revisions written in SQL: ``<timestamp>_<name>.up.sql`` with its ``.down.sql``.

Names, headers, statements and the text of a new pair; nothing here knows a graph or a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use

if TYPE_CHECKING:
    from headway.sqlfiles.header import Header, read_header
    from headway.sqlfiles.naming import (
        DOWN,
        UP,
        FileName,
        companion_of,
        down_path,
        file_name,
        is_candidate,
        new_names,
    )
    from headway.sqlfiles.places import Place, place_of
    from headway.sqlfiles.script import Script, checksum, read_script, read_text
    from headway.sqlfiles.writing import Pair, written

_HOMES = {
    "headway.sqlfiles.header": ("Header", "read_header"),
    "headway.sqlfiles.naming": (
        "DOWN",
        "FileName",
        "UP",
        "companion_of",
        "down_path",
        "file_name",
        "is_candidate",
        "new_names",
    ),
    "headway.sqlfiles.places": ("Place", "place_of"),
    "headway.sqlfiles.script": ("Script", "checksum", "read_script", "read_text"),
    "headway.sqlfiles.writing": ("Pair", "written"),
}
__getattr__, __dir__ = on_first_use(__name__, _HOMES)

__all__ = [
    "DOWN",
    "UP",
    "FileName",
    "Header",
    "Pair",
    "Place",
    "Script",
    "checksum",
    "companion_of",
    "down_path",
    "file_name",
    "is_candidate",
    "new_names",
    "place_of",
    "read_header",
    "read_script",
    "read_text",
    "written",
]
