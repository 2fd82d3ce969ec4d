"""What a database holds, in PostgreSQL's own words, as plain data."""

from headway.catalogue.comparing import compare
from headway.catalogue.parts import Part, Parts, read_parts
from headway.catalogue.reading import SCRATCH, read_catalogue
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
    Name,
    Sequence,
    Table,
)

__all__ = [
    "SCRATCH",
    "Catalogue",
    "Column",
    "Constraint",
    "EnumType",
    "Extension",
    "ExtensionType",
    "Identity",
    "Index",
    "IndexElement",
    "Name",
    "Part",
    "Parts",
    "Sequence",
    "Table",
    "compare",
    "read_catalogue",
    "read_parts",
]
