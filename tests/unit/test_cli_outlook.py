"""A preview as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from headway import (
    Direction,
    Finding,
    LiveTable,
    LockMode,
    Loss,
    Obstacle,
    Peer,
    Preview,
    RelationLock,
    Severity,
    StatementReview,
    StepReview,
)
from headway.cli import outlook

_PATH = Path("versions/bbbb.py")
_REWRITE = StatementReview(
    1,
    "ALTER TABLE t\n  ALTER n TYPE bigint",
    traced=True,
    locks=(
        RelationLock("t", "table", LockMode.ACCESS_EXCLUSIVE),
        RelationLock("t_pkey", "index", LockMode.ACCESS_EXCLUSIVE),
        RelationLock("u", "table", LockMode.SHARE_ROW_EXCLUSIVE),
        RelationLock("v", "table", LockMode.ROW_SHARE),
    ),
    rewritten=("t",),
)
_STEP = StepReview("bbbb", Direction.UPGRADE, "second", _PATH, statements=(_REWRITE,))
_PREVIEW = Preview(
    "db",
    Direction.UPGRADE,
    (),
    ("bbbb",),
    (_STEP,),
    (LiveTable("t", "table", 3_000_000, 1_288_490_189),),
    oracle="PostgreSQL 18.4",
)


def _drawn(preview: Preview) -> list[str]:
    return click.unstyle(outlook.draw(preview)).splitlines()


def test_a_statement_stands_with_what_it_does_to_the_live_tables() -> None:
    assert _drawn(_PREVIEW) == [
        "upgrade base -> bbbb, in order:",
        "",
        "  1  bbbb  second  versions/bbbb.py",
        "     ALTER TABLE t",
        "       ALTER n TYPE bigint",
        (
            "       = rewrites t (about 3,000,000 rows, 1.2 GB); t: ACCESS EXCLUSIVE, reads and writes wait; "
            "u: SHARE ROW EXCLUSIVE, writes wait"
        ),
        "",
        "traced on PostgreSQL 18.4, in a scratch database",
    ]


def test_what_was_watched_and_takes_no_time_says_so_and_what_was_not_says_nothing() -> None:
    watched = StatementReview(1, "COMMENT ON TABLE t IS 'x'", traced=True)
    unwatched = StatementReview(2, "SELECT 1")
    step = replace(_STEP, statements=(watched, unwatched))
    lines = _drawn(replace(_PREVIEW, steps=(step,), oracle=None, unwatched="there is no server"))
    assert lines[3:6] == ["     COMMENT ON TABLE t IS 'x'", "       = metadata only", "     SELECT 1"]
    assert lines[-1] == "not traced, so locks, scans and rewrites are not all known: there is no server"


def test_a_scan_names_what_it_reads_even_where_its_size_is_unknown() -> None:
    scan = StatementReview(1, "ALTER TABLE t VALIDATE CONSTRAINT c", traced=True, scanned=("t", "absent"))
    lines = _drawn(replace(_PREVIEW, steps=(replace(_STEP, statements=(scan,)),)))
    assert lines[4] == "       = reads through t (about 3,000,000 rows, 1.2 GB), absent"


def test_losses_findings_and_what_cannot_be_seen_are_marked_where_they_are() -> None:
    found = Finding("table-rewrite", Severity.ERROR, "bbbb", _PATH, 7, 1, "t is written anew")
    step = replace(
        _STEP,
        transactional=False,
        statements=(),
        losses=(Loss("bbbb", "table", "t", 1204, 3_355_443), Loss("bbbb", "unknown", "op.execute(...)")),
        findings=(found, replace(found, rule="type-change-rewrite", silenced="twelve rows")),
        unseen="upgrade() reads data",
    )
    assert _drawn(replace(_PREVIEW, steps=(step,)))[2:-2] == [
        "  1  bbbb  second  versions/bbbb.py  not in a transaction  destroys data",
        "     what comes then cannot be told: upgrade() reads data",
        "     error table-rewrite (line 7): t is written anew",
        "",
        "this destroys data:",
        "  bbbb  table t (about 1,204 rows, 3.2 MB)",
        "  bbbb  cannot be told: op.execute(...)",
    ]


def test_who_is_in_the_way_is_named() -> None:
    peer = Peer(42, "psql", "app", state="idle in transaction")
    held = Obstacle("bbbb", 1, "t", LockMode.ACCESS_EXCLUSIVE, LockMode.ROW_EXCLUSIVE, peer)
    lines = _drawn(replace(_PREVIEW, obstacles=(held, replace(held, held=None))))
    assert lines[-5:-2] == [
        "run now, it would wait for:",
        "  bbbb  pid 42 (psql, user app, idle in transaction), with ROW EXCLUSIVE on t, for ACCESS EXCLUSIVE",
        (
            "  bbbb  pid 42 (psql, user app, idle in transaction), whose transaction may see t as it was: "
            "CONCURRENTLY waits for its end"
        ),
    ]


def test_long_sql_is_cut_and_says_so_but_not_what_takes_long() -> None:
    long = StatementReview(1, "\n".join(map(str, range(20))))
    many = [StatementReview(number, f"SELECT {number}") for number in range(2, 40)]
    step = replace(_STEP, statements=(long, *many, replace(_REWRITE, position=40)))
    lines = _drawn(replace(_PREVIEW, steps=(step,)))
    assert "     ... 8 more lines; --json has them all" in lines
    assert "     SELECT 20" in lines
    assert "     SELECT 21" not in lines
    assert "     ALTER TABLE t" in lines
    assert "     ... 19 more statements; --json has them all" in lines


def test_an_empty_plan_says_that_there_is_nothing_to_do() -> None:
    assert _drawn(Preview("db", Direction.DOWNGRADE, ("bbbb",), ("bbbb",))) == ["nothing to do: at bbbb"]
