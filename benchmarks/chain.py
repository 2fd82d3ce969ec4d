"""Linear chains of revisions: tables are created, get columns and indexes, in turn."""

from __future__ import annotations

EACH = 4
"""How many revisions a table has."""

_HEAD = '''\
"""revision {number}"""

import sqlalchemy as sa
from alembic import op

revision = "r{number:05}"
down_revision = {parent!r}


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
'''
_CREATE = """op.create_table(
        "{table}",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )"""
_KINDS = (
    (_CREATE, 'op.drop_table("{table}")'),
    ('op.add_column("{table}", sa.Column("note", sa.Text))', 'op.drop_column("{table}", "note")'),
    ('op.create_index("ix_{table}_name", "{table}", ["name"])', 'op.drop_index("ix_{table}_name")'),
    (
        'op.add_column("{table}", sa.Column("size", sa.Integer, server_default="0", nullable=False))',
        'op.drop_column("{table}", "size")',
    ),
)


def chain(length: int) -> dict[str, str]:
    """The files of so many revisions, by name."""
    return {f"r{number:05}.py": _revision(number) for number in range(1, length + 1)}


def _revision(number: int) -> str:
    table = f"t{(number - 1) // EACH:05}"
    upgrade, downgrade = (part.format(table=table) for part in _KINDS[(number - 1) % EACH])
    parent = f"r{number - 1:05}" if number > 1 else None
    return _HEAD.format(number=number, parent=parent, upgrade=upgrade, downgrade=downgrade)
