"""The schema of the fixtures' benchmark: 60 tables that hang together, and 150 indexes besides the keys'."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, MetaData, Numeric, Table, Text, func

TABLES = 60
metadata = MetaData()

for number in range(TABLES):
    name = f"t{number:02}"
    Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent", Integer, *([ForeignKey(f"t{number - 1:02}.id")] if number % 6 else [])),
        Column("name", Text, nullable=False),
        Column("amount", Numeric(10, 2)),
        Column("note", Text, server_default="none"),
        Column("made_at", DateTime(timezone=True), server_default=func.now()),
        Index(f"{name}_by_name", "name"),
        Index(f"{name}_by_parent", "parent"),
        *([Index(f"{name}_by_amount", "amount", "made_at")] if number % 2 else []),
    )
