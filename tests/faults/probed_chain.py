"""The chain of revisions that is broken: transactional ones, one that is not, one of data, one in SQL.

The transactional ones take both roads that there are: one message where a revision only emits, and statement
by statement where it reads. A table ``probe`` is there before the first of them; each revision leaves one row
in it on its way up and one on its way down, which is how a revision that ran twice, or half, is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

INI = """\
[alembic]
script_location = %(here)s/alembic
prepend_sys_path = %(here)s
path_separator = os
"""
ENV_PY = "from headway import env\n\nenv.run()\n"

BEFORE = (
    "CREATE TABLE probe (revision text NOT NULL, way text NOT NULL)",
    "CREATE TABLE bystander (id integer PRIMARY KEY, title text)",
    "INSERT INTO bystander SELECT number, 'row ' || number FROM generate_series(1, 50) AS number",
)
"""What the application had before its first revision."""

CHAIN: dict[str, tuple[bool, tuple[str, ...], tuple[str, ...]]] = {
    "r1": (
        True,
        ("CREATE TABLE shelf (id integer PRIMARY KEY, name text)", "INSERT INTO shelf VALUES (1, 'first')"),
        ("DROP TABLE shelf",),
    ),
    "r2": (
        True,
        (
            "CREATE TABLE book (id integer PRIMARY KEY, shelf_id integer, title text)",
            "INSERT INTO book SELECT number, 1, 'title' FROM generate_series(1, 100) AS number",
            "ALTER TABLE book ADD CONSTRAINT book_shelf FOREIGN KEY (shelf_id) REFERENCES shelf NOT VALID",
        ),
        ("DROP TABLE book",),
    ),
    "r3": (
        False,
        (
            "CREATE INDEX CONCURRENTLY book_title ON book (title)",
            "ALTER TABLE book VALIDATE CONSTRAINT book_shelf",
        ),
        ("DROP INDEX CONCURRENTLY book_title",),
    ),
    "r4": (
        True,
        ("UPDATE book SET title = 'title ' || id",),
        ("UPDATE book SET title = 'title'",),
    ),
    "r5": (
        True,
        (
            "ALTER TABLE book ADD COLUMN pages integer",
            "CREATE FUNCTION page_count() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(pages) FROM book; $$",
        ),
        ("DROP FUNCTION page_count()", "ALTER TABLE book DROP COLUMN pages"),
    ),
    "r6": (
        True,
        ("ALTER TABLE bystander ADD COLUMN note text",),
        ("ALTER TABLE bystander DROP COLUMN note",),
    ),
}
"""Each revision: whether it is transactional, and its statements up and down; ``r5`` is an SQL file."""
_READS = frozenset({"r2", "r4"})
"""Those that ask the database something, and so are run statement by statement and not in one message."""

HEAD = [*CHAIN][-1]
_SQL_FILE = "r5"


def statements(revision: str, way: str) -> tuple[str, ...]:
    """What a revision runs in one direction (``up`` or ``down``), its probe row last but where it is not
    transactional: there it stands between its statements."""
    transactional, up, down = CHAIN[revision]
    own = up if way == "up" else down
    probe = f"INSERT INTO probe VALUES ('{revision}', '{way}')"  # names of ours
    return (*own, probe) if transactional else (own[0], probe, *own[1:])


def write(root: Path) -> Path:
    """Write the project; the folder it is in."""
    versions = root / "alembic" / "versions"
    versions.mkdir(parents=True)
    (root / "alembic.ini").write_text(INI, encoding="utf-8")
    (root / "alembic" / "env.py").write_text(ENV_PY, encoding="utf-8")
    parent = None
    for revision in CHAIN:
        if revision == _SQL_FILE:
            _write_sql(versions, revision, parent)
        else:
            _write_python(versions / f"{revision}.py", revision, parent)
        parent = revision
    return root


def _write_python(path: Path, revision: str, parent: str | None) -> None:
    reads = "    op.get_bind().exec_driver_sql('SELECT count(*) FROM bystander').scalar_one()\n"
    ways = {
        name: (reads if revision in _READS else "")
        + "\n".join(f"    op.execute({statement!r})" for statement in statements(revision, way))
        for name, way in (("upgrade", "up"), ("downgrade", "down"))
    }
    mark = "" if CHAIN[revision][0] else "transactional = False\n"
    path.write_text(
        f'"""{revision}"""\n\nfrom alembic import op\n\nrevision = {revision!r}\n'
        f"down_revision = {parent!r}\n{mark}\n\n"
        + "\n\n\n".join(f"def {name}():\n{body}" for name, body in ways.items())
        + "\n",
        encoding="utf-8",
    )


def _write_sql(versions: Path, revision: str, parent: str | None) -> None:
    for way in ("up", "down"):
        header = f"-- headway: revision={revision} parent={parent}\n" if way == "up" else ""
        body = "".join(f"{statement};\n" for statement in statements(revision, way))
        (versions / f"20260101000000_pages.{way}.sql").write_text(header + body, encoding="utf-8")
