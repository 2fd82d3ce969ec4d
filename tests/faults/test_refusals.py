"""What cannot be right: files, version tables and ledgers that are corrupt, servers that may not be migrated.

The command ends with the right class and says nothing secret; what it refuses it leaves unchanged (a file
that only fails when it is executed fails as its own step); when it is put right, the same command reaches
head.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import command
import looks
import probed_chain
import pytest
from extent import sample
from invariants import Evidence, violations
from laboratory import UP, Laboratory, later_runs, quiet, watching
from records import Record

import servers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

_REFUSED = frozenset({1, 2, 3, 7, 8})


@dataclass(frozen=True)
class Spoilt:
    """A revision file that is not as it was; ``fine`` when that must not matter."""

    name: str
    spoil: Callable[[Path], object]
    fine: bool = False


def _text(name: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    def spoil(versions: Path) -> None:
        path = versions / name
        path.write_bytes(change(path.read_text("utf-8")).encode("utf-8", "surrogateescape"))

    return spoil


def _added(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda versions: (versions / name).write_bytes(content)


_SQL = "20260101000000_pages.up.sql"
_LEAF = b"revision = 'x1'\ndown_revision = %s\ndef upgrade(): pass\ndef downgrade(): pass\n"
FILES = (
    Spoilt("malformed Python", _text("r4.py", lambda text: text + "def (:\n")),
    Spoilt("a null byte", _text("r4.py", lambda text: text + "\0")),
    # In a comment it is none of Python's business.
    Spoilt("no UTF-8", _text("r4.py", lambda text: text + "name = '\udcff'\n")),
    Spoilt("an unfinished string in SQL", _text(_SQL, lambda text: text + "SELECT 'x")),
    Spoilt("a cycle", _text("r1.py", lambda text: text.replace("= None", "= 'r6'"))),
    Spoilt("a missing parent", _text("r4.py", lambda text: text.replace("'r3'", "'r33'"))),
    Spoilt("a missing file", lambda versions: (versions / "r3.py").unlink()),
    Spoilt("two of the same id", _added("again.py", _LEAF.replace(b"x1", b"r2") % b"'r1'")),
    Spoilt("a second head", _added("leaf.py", _LEAF % b"'r5'")),
    Spoilt("its own parent", _added("leaf.py", _LEAF % b"'x1'")),
    Spoilt("a hostile id", _added("leaf.py", _LEAF.replace(b"x1", b"a'; DROP TABLE probe; --") % b"'r5'")),
    Spoilt("a file that raises", _text("r4.py", lambda text: "raise RuntimeError('no')\n" + text)),
    Spoilt("a file that exits", _text("r4.py", lambda text: "raise SystemExit(0)\n" + text)),
    Spoilt("a BOM", _text("r4.py", lambda text: "\ufeff" + text), fine=True),
    Spoilt("a BOM in SQL", _text(_SQL, lambda text: "\ufeff" + text), fine=True),
    Spoilt("CRLF", _text("r4.py", lambda text: text.replace("\n", "\r\n")), fine=True),
    Spoilt("CRLF in SQL", _text(_SQL, lambda text: text.replace("\n", "\r\n")), fine=True),
    Spoilt("three megabytes", _text("r4.py", lambda text: text + "# padding\n" * 300_000), fine=True),
    Spoilt(
        "a hostile name",
        lambda versions: (versions / "r4.py").rename(versions / "r4 '\"%s;--.py"),
        fine=True,
    ),
)


@pytest.mark.parametrize("spoilt", sample(FILES), ids=lambda spoilt: spoilt.name)
@pytest.mark.sampled(2)
def test_a_spoilt_file_is_refused_whole_or_does_not_matter(
    laboratory: Laboratory, spoilt: Spoilt, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(laboratory.folder, folder)
    spoilt.spoil(folder / "alembic" / "versions")
    with laboratory.database("up") as url, watching(url) as admin:
        evidence = _judged(laboratory, url, admin, folder, frozenset() if spoilt.fine else _REFUSED)
        later_runs(laboratory, evidence, url, admin)
    _concluded(laboratory, f"revision file: {spoilt.name}", evidence)


TABLES = {
    "two version rows": "INSERT INTO alembic_version VALUES ('r2')",
    "an unknown version": "UPDATE alembic_version SET version_num = 'zzz'",
    "a hostile version": "UPDATE alembic_version SET version_num = E'\\x27; DROP TABLE probe; --%s'",
    "an empty version": "UPDATE alembic_version SET version_num = ''",
    "a version of a wrong type": "ALTER TABLE alembic_version ALTER version_num TYPE bytea "
    "USING version_num::bytea",
    "no version column": "ALTER TABLE alembic_version RENAME version_num TO something",
    "a ledger without columns": "ALTER TABLE migration_history DROP COLUMN journal CASCADE",
    "a ledger of another make": "DROP TABLE migration_history CASCADE; "
    "CREATE TABLE migration_history (a integer)",
    "a ledger with a torn chain": "UPDATE migration_history SET previous_hash = 'torn'",
    "a ledger with a foreign journal": "UPDATE migration_history SET journal = '[{}]'",
    "a ledger of a newer layout": "ALTER TABLE migration_history ALTER ledger_layout SET DEFAULT 99",
}


@pytest.mark.parametrize("name", sample(TABLES, every=6))
@pytest.mark.parametrize("words", [UP, ("status",)], ids=["upgrade", "status"])
def test_a_corrupt_table_ends_in_words_and_changes_nothing(
    laboratory: Laboratory, name: str, words: tuple[str, ...]
) -> None:
    with laboratory.database("down") as url, watching(url) as admin:
        admin.execute(TABLES[name].encode())
        before = _dump(admin)
        done = command.run(laboratory.folder, url, *words)
        assert done.code in {0, *_REFUSED}
        assert "Traceback" not in done.err
        assert "internal error" not in done.err
        assert _dump(admin) == before or done.code == 0
    laboratory.records.add(Record(f"table: {name}", words[0], "up", None, 0, done.code))


def _dump(admin: psycopg.Connection) -> list[str]:
    """All that is in the schema's tables, and what they are."""
    columns = """
        SELECT attrelid::regclass::text || attname || atttypid::regtype
        FROM pg_attribute JOIN pg_class AS class ON class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0 ORDER BY 1
    """
    found = [row for (row,) in admin.execute(columns)]
    for table in ("alembic_version", "migration_history", "probe", "book"):
        found += [row for (row,) in admin.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1".encode())]
    return found


def test_a_read_only_database_is_refused(laboratory: Laboratory) -> None:
    with laboratory.database("up") as url, watching(url) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        with watching(url) as other:
            other.execute("SET default_transaction_read_only = off")
            evidence = _judged(laboratory, url, other, laboratory.folder, frozenset({3}))
            other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        later_runs(laboratory, evidence, url, admin)
    _concluded(laboratory, "server: read-only", evidence)


def test_a_pooler_in_transaction_mode_is_refused(laboratory: Laboratory) -> None:
    with laboratory.database("up") as url, watching(url) as admin:
        with servers.pgbouncer(url, mode="transaction", settings={"server_idle_timeout": "1"}) as pooler:
            evidence = _judged(
                laboratory, pooler.url(), admin, laboratory.folder, frozenset({3}), linger_ok=True
            )
        later_runs(laboratory, evidence, url, admin)
    _concluded(laboratory, "server: PgBouncer in transaction mode", evidence)


def test_a_pooler_in_session_mode_is_as_good_as_none(laboratory: Laboratory) -> None:
    with laboratory.database("up") as url, watching(url) as admin:
        with servers.pgbouncer(url, mode="session") as pooler:
            evidence = _judged(
                laboratory, pooler.url(), admin, laboratory.folder, frozenset(), linger_ok=True
            )
        later_runs(laboratory, evidence, url, admin)
    _concluded(laboratory, "server: PgBouncer in session mode", evidence)


def _judged(
    laboratory: Laboratory,
    url: str,
    admin: psycopg.Connection,
    folder: Path,
    codes: frozenset[int],
    *,
    linger_ok: bool = False,
) -> Evidence:
    """Run it once. It must end with one of the codes; where there are none, with 0."""
    evidence = Evidence(
        "up", probed_chain.HEAD, laboratory.truth, looks.look(admin), codes=codes, secrets=laboratory.secrets
    )
    evidence.runs.append(command.run(folder, url, *UP))
    if not linger_ok:
        evidence.leaked += quiet(admin)
    evidence.after = looks.look(admin)
    assert bool(evidence.runs[0].code) == bool(codes), evidence.runs[0].err
    return evidence


def _concluded(laboratory: Laboratory, name: str, evidence: Evidence) -> None:
    wrong = violations(evidence)
    laboratory.records.add(Record(name, "", "up", None, 0, evidence.runs[0].code, wrong))
    assert wrong == {}, evidence.runs[0].err
