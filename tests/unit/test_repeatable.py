"""Which functions of revision files may be called twice without anybody noticing."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from headway.alembic_bridge.repeatable import is_repeatable

REPEATABLE = {
    "nothing": "def upgrade(): pass",
    "operations": """
        def upgrade():
            op.create_table("t", sa.Column("a", postgresql.ARRAY(sa.Text)), sa.UniqueConstraint("a"))
            with op.batch_alter_table("t") as batch:
                batch.drop_column("a")
            op.execute(sa.text("SELECT 1"))
        """,
    "constants": """
        NAMES = ("a", "b")
        MOOD = postgresql.ENUM("happy", name="mood", create_type=False)
        LIMITS = {"a": [1, 2.5, None], "b": MOOD}

        def upgrade():
            for number, name in enumerate(sorted(NAMES)):
                op.execute(f"COMMENT ON TABLE {name} IS '{number + len(LIMITS)}'")
            op.add_column("t", sa.Column("mood", MOOD))
        """,
    "functions of its own, and comprehensions": """
        def tables(suffix=""):
            return [f"{name}{suffix}" for name in ("a", "b")]

        def upgrade():
            for name in tables("_old"):
                op.drop_table(name)
        """,
    "a function that calls itself": """
        def drop(names):
            if names:
                op.drop_table(names[0])
                drop(names[1:])

        def upgrade():
            drop(["a", "b"])
        """,
    "an Enum of its own": """
        import enum

        class Mood(enum.Enum):
            HAPPY = "happy"

        def upgrade():
            op.add_column("t", sa.Column("mood", sa.Enum(Mood)))
        """,
    "it always refuses": """
        def upgrade():
            raise NotImplementedError("restore the backup")
        """,
}
NOT_REPEATABLE = {
    "it asks": "def upgrade(): op.get_bind()",
    "it connects by itself": "def upgrade(): sa.create_engine('postgresql://').connect()",
    "it asks in a function within": """
        def upgrade():
            def count():
                return op.get_bind().scalar(sa.text("SELECT 1"))
            op.execute(f"SELECT {count()}")
        """,
    "it asks in a function beside": """
        def count():
            return sa.inspect(None)

        def upgrade():
            op.execute(f"SELECT {count()}")
        """,
    "it gives rows": "def upgrade(): op.bulk_insert(None, [])",
    "it says something": "def upgrade(): print('at work')",
    "it imports": """
        def upgrade():
            from os import remove
        """,
    "it uses a module of unknown harm": """
        import os

        def upgrade():
            os.environ.get("HOME")
        """,
    "it reads a file": "def upgrade(): op.execute(open('t.sql').read())",
    "it goes on where an iterator is": """
        LINES = iter(["a", "b"])

        def upgrade():
            for line in LINES:
                op.execute(line)
        """,
    "an iterator is within a list": """
        LINES = [iter(["a", "b"])]

        def upgrade():
            for line in LINES[0]:
                op.execute(line)
        """,
    "a generator is an argument's default": """
        def upgrade(lines=(each for each in "ab")):
            for line in lines:
                op.execute(line)
        """,
    "it takes from a list of its file": """
        NAMES = ["a", "b"]

        def upgrade():
            while NAMES:
                op.drop_table(NAMES.pop())
        """,
    "it remembers": """
        DONE = False

        def upgrade():
            global DONE
            DONE = True
        """,
    "it writes into something of its file": """
        COUNTS = {}

        def upgrade():
            COUNTS["calls"] = COUNTS.get("calls", 0) + 1
        """,
    "a column of its file can be in one table only": """
        COLUMN = sa.Column("a", sa.Text)

        def upgrade():
            op.create_table("t", COLUMN)
        """,
    "an object of a class of its own": """
        class Steps:
            def __call__(self):
                pass

        run = Steps()

        def upgrade():
            run()
        """,
    "it is no function": """
        class Upgrade:
            def __call__(self):
                pass

        upgrade = Upgrade()
        """,
    "it closes over something": """
        def made():
            lines = iter("ab")
            return lambda: [op.execute(line) for line in lines]

        upgrade = made()
        """,
}


def _upgrade(source: str) -> Any:
    known: dict[str, Any] = {"__name__": "a_revision"}
    head = "from alembic import op\nimport sqlalchemy as sa\nfrom sqlalchemy.dialects import postgresql\n"
    exec(head + textwrap.dedent(source), known)  # noqa: S102  # a revision file is code
    return known["upgrade"]


@pytest.mark.parametrize("source", REPEATABLE.values(), ids=REPEATABLE)
def test_what_only_emits_may_be_called_twice(source: str) -> None:
    assert is_repeatable(_upgrade(source))


@pytest.mark.parametrize("source", NOT_REPEATABLE.values(), ids=NOT_REPEATABLE)
def test_what_could_tell_that_it_is_called_twice_is_called_once(source: str) -> None:
    assert not is_repeatable(_upgrade(source))
