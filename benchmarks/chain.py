"""Linear chains of revisions: tables are created, get columns and indexes, in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD = '''\
"""revision {number}"""

import sqlalchemy as sa
from alembic import op

revision = "r{number:05}"
down_revision = {parent!r}


def upgrade():
    {operations}


def downgrade():
    raise NotImplementedError("it is never undone")
'''
_CREATE = """\
op.create_table(
        "{table}",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )"""
_CREATE_SQL = """\
CREATE TABLE {table} (
    id SERIAL NOT NULL,
    name VARCHAR(80) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
)"""
# What a table's revisions do, in order: operations, each with the SQL that Alembic makes of it.
_KINDS = (
    (
        (_CREATE, _CREATE_SQL),
        (
            'op.create_index("ix_{table}_name", "{table}", ["name"])',
            "CREATE INDEX ix_{table}_name ON {table} (name)",
        ),
    ),
    (('op.add_column("{table}", sa.Column("note", sa.Text))', "ALTER TABLE {table} ADD COLUMN note TEXT"),),
    (
        (
            'op.add_column("{table}", sa.Column("rank", sa.Integer))',
            "ALTER TABLE {table} ADD COLUMN rank INTEGER",
        ),
        (
            'op.create_index("ix_{table}_rank", "{table}", ["rank"])',
            "CREATE INDEX ix_{table}_rank ON {table} (rank)",
        ),
    ),
    (
        (
            'op.add_column("{table}", sa.Column("size", sa.Integer, server_default="0", nullable=False))',
            "ALTER TABLE {table} ADD COLUMN size INTEGER DEFAULT '0' NOT NULL",
        ),
    ),
)

CONTENTS = """
    SELECT md5(string_agg(
        concat_ws(' ', r.relname, r.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid), pg_get_indexdef(r.oid)),
        ',' ORDER BY r.relname, a.attname))
    FROM pg_class AS r
    JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relnamespace = 'public'::regnamespace AND r.relname ~ '^(ix_)?t[0-9]{5}'
"""
"""A hash of what a chain made of a database: all who upgrade it must leave the same."""


@dataclass(frozen=True)
class Chain:
    """So many revisions: as Alembic's files, by name, and as SQL, one script for each."""

    files: Mapping[str, str]
    scripts: tuple[str, ...] = ()


def chain(length: int) -> Chain:
    """The chain of so many revisions, ``r00001`` to its head; each has 1.5 statements on average."""
    files, scripts = {}, []
    for number in range(1, length + 1):
        table = f"t{(number - 1) // len(_KINDS):05}"
        kind = _KINDS[(number - 1) % len(_KINDS)]
        operations = "\n    ".join(operation for operation, _ in kind).replace("{table}", table)
        parent = f"r{number - 1:05}" if number > 1 else None
        files[f"r{number:05}.py"] = _HEAD.format(number=number, parent=parent, operations=operations)
        scripts.append("".join(f"{sql};\n" for _, sql in kind).replace("{table}", table))
    return Chain(files, tuple(scripts))
