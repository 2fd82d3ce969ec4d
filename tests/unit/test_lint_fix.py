"""``--fix``: what is mended in a revision's text, and what is left as it is."""

from __future__ import annotations

import pytest

from headway.lint import Fixed, Subject, examine, fix
from headway.results import StatementReview
from lint_subjects import before, step

INDEX = "CREATE INDEX i ON users (age)"
PYTHON = '''"""Words."""

from alembic import op

revision = "r1"
down_revision = None
{top}

def upgrade() -> None:
    """Make it quick."""
    # users are many
{body}


def downgrade() -> None:
    op.drop_index("i")
'''


def mend(source: str, *statements: tuple[str, int], path: str = "versions/r1.py") -> Fixed:
    reviews = [
        StatementReview(number, sql.removeprefix("!"), line=line, transactional=not sql.startswith("!"))
        for number, (sql, line) in enumerate(statements, start=1)
    ]
    subject = Subject(step=step(*reviews, path=path), source=source, before=before())
    return fix(subject, examine(subject))


def python(body: str, top: str = "") -> str:
    return PYTHON.format(body=body, top=top)


def test_an_index_alone_is_built_concurrently_with_comments_and_layout_kept() -> None:
    body = """    op.create_index(
        "i",  # a short name
        "users",
        ["age"],
        unique=False,
    )"""
    fixed = mend(python(body), (INDEX, 12))
    assert fixed.source == python(
        """    with op.get_context().autocommit_block():
        # users are many
        op.create_index(
            "i",  # a short name
            "users",
            ["age"],
            unique=False, postgresql_concurrently=True,
        )"""
    ).replace("    # users are many\n    with", "    with")
    assert fixed.done == ("line 12: CONCURRENTLY", "line 12: autocommit_block around it")
    compile(fixed.source, "r1.py", "exec")


def test_a_second_time_nothing_is_left_to_do() -> None:
    once = mend(python('    op.create_index("i", "users", ["age"])'), (INDEX, 12)).source
    assert mend(once, ("!CREATE INDEX CONCURRENTLY i ON users (age)", 13)) == Fixed(once)
    assert mend(once, (INDEX, 13)) == Fixed(once), "whatever the findings say"


def test_several_indexes_raw_sql_and_text_are_mended_together() -> None:
    body = '''    op.drop_index(op.f("users_age"), table_name="users")
    op.execute("""
        create unique index if not exists i
        on users (age)
    """)
    op.execute(sa.text("DROP INDEX b"))'''
    fixed = mend(python(body), ("DROP INDEX users_age", 12), (INDEX, 13), ("DROP INDEX b", 17))
    assert fixed.source.partition("    # users are many\n")[2].partition("\n\n\ndef downgrade")[0] == (
        '''        op.drop_index(op.f("users_age"), table_name="users", postgresql_concurrently=True)
        op.execute("""
        create unique index CONCURRENTLY i
        on users (age)
    """)
        op.execute(sa.text("DROP INDEX CONCURRENTLY b"))'''
    )
    assert "    with op.get_context().autocommit_block():\n        # users are many\n" in fixed.source


@pytest.mark.parametrize(
    "body",
    [
        '    op.create_index("i", "users", ["age"])\n    op.add_column("users", x)',
        '    for name in names:\n        op.create_index("i", "users", ["age"])',
        '    op.create_index("i", "users", ["age"], **options)',
        '    op.execute(f"CREATE INDEX i ON {table} (age)")',
        '    op.execute("CREATE INDEX i ON users (age); SELECT 1")',
    ],
)
def test_what_is_not_alone_or_not_written_out_is_left_to_the_recipe(body: str) -> None:
    source = python(body)
    assert mend(source, (INDEX, 12), (INDEX, 13)) == Fixed(source)


def test_a_silenced_finding_is_left_alone() -> None:
    source = python(
        '    op.create_index("i", "users", ["age"])  # headway: allow index-not-concurrent: few rows'
    )
    assert mend(source, (INDEX, 12)) == Fixed(source)


def test_concurrently_in_a_transaction_gets_its_block_and_an_untransactional_revision_needs_none() -> None:
    call = '    op.create_index("i", "users", ["age"], postgresql_concurrently=True, if_not_exists=True)'
    concurrently = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (age)"
    fixed = mend(python(call), (concurrently, 12))
    assert "        op.create_index(" in fixed.source
    assert "if_not_exists=False" in fixed.source
    free = mend(python(call, "transactional = False"), (f"!{concurrently}", 12))
    assert free.source == python(call.replace("exists=True", "exists=False"), "transactional = False")


def test_names_beyond_ascii_and_windows_lines_are_no_obstacle() -> None:
    source = python('    op.create_index("größe", "users", ["age"])').replace("\n", "\r\n")
    fixed = mend(source, ('CREATE INDEX "größe" ON users (age)', 12))
    assert '    op.create_index("größe", "users", ["age"], postgresql_concurrently=True)\r\n' in fixed.source
    assert fixed.source.count("\n") == fixed.source.count("\r\n")


def test_an_sql_revision_of_indexes_alone_is_mended_with_its_header() -> None:
    source = (
        '-- headway: revision=r1 parent=base message="quick"\n\n-- many\ncreate index i on users (age);\n'
    )
    fixed = mend(source, (INDEX, 4), path="1_a.up.sql")
    assert fixed.source == (
        '-- headway: revision=r1 parent=base message="quick" transactional=no\n\n'
        "-- many\ncreate index CONCURRENTLY i on users (age);\n"
    )
    assert fixed.done == ("line 4: CONCURRENTLY", "line 1: transactional=no")
    bare = mend(f"{INDEX};\n", (INDEX, 1), path="1_a.up.sql")
    assert bare.source == "-- headway: transactional=no\nCREATE INDEX CONCURRENTLY i ON users (age);\n"
    mixed = f"{INDEX};\nSELECT 1;\n"
    assert mend(mixed, (INDEX, 1), path="1_a.up.sql") == Fixed(mixed)
