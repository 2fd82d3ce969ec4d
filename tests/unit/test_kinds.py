"""How statements of a revision that is not transactional are run, and which are refused."""

from __future__ import annotations

import pytest

from headway import RefusedError
from headway.kinds import Kind, is_concurrent, kind_of, require_resumable, resets_timeouts


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT backfill()", Kind.REPEATED),
        ("(SELECT 1) UNION (SELECT 2)", Kind.REPEATED),
        ("WITH x AS (UPDATE t SET v = 1 RETURNING 1) SELECT count(*) FROM x", Kind.REPEATED),
        ("explain analyze update t set v = 1", Kind.REPEATED),
        ("SET search_path TO tenant", Kind.REPEATED),
        ("/* c */ RESET ROLE", Kind.REPEATED),
        ("UPDATE t SET v = 1", Kind.WRITING),
        ("SELECTED", Kind.WRITING),
        ("CREATE INDEX ix ON t (v)", Kind.WRITING),
        ("DO $$ BEGIN PERFORM 1; END $$", Kind.WRITING),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", Kind.WRITING),
        ("COMMENT ON TABLE t IS 'VACUUM'", Kind.WRITING),
        ("CREATE UNIQUE INDEX CONCURRENTLY ix ON t (v)", Kind.OUTSIDE),
        ("-- why\nCREATE INDEX CONCURRENTLY ix ON t (v)", Kind.OUTSIDE),
        ("/* a /* b */ c */ create index /* d */ concurrently ix on t (v)", Kind.OUTSIDE),
        ("DROP INDEX CONCURRENTLY ix", Kind.OUTSIDE),
        ("REINDEX (VERBOSE) TABLE CONCURRENTLY t", Kind.OUTSIDE),
        ("REINDEX TABLE t", Kind.OUTSIDE),
        ("VACUUM (FULL) t", Kind.OUTSIDE),
        ("CLUSTER t USING ix", Kind.OUTSIDE),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", Kind.OUTSIDE),
        ("ALTER TABLE t DETACH PARTITION p", Kind.WRITING),
        ("ALTER SYSTEM SET work_mem = '5MB'", Kind.OUTSIDE),
        ("ALTER DATABASE d SET TABLESPACE s", Kind.OUTSIDE),
        ("ALTER DATABASE d SET work_mem = '5MB'", Kind.WRITING),
        ("DROP SUBSCRIPTION s", Kind.OUTSIDE),
    ],
)
def test_a_statement_is_run_as_postgresql_wants_it(statement: str, kind: Kind) -> None:
    assert kind_of(statement) is kind
    require_resumable(statement)


@pytest.mark.parametrize(
    ("statement", "concurrent"),
    [
        ("CREATE INDEX CONCURRENTLY ix ON t (v)", True),
        ("REINDEX INDEX CONCURRENTLY ix", True),
        ("REINDEX INDEX ix", False),
        ("VACUUM FULL t -- CONCURRENTLY", False),
        ('CLUSTER "CONCURRENTLY"', False),
    ],
)
def test_only_what_says_concurrently_is_concurrent(statement: str, concurrent: bool) -> None:  # noqa: FBT001
    assert is_concurrent(statement) is concurrent


@pytest.mark.parametrize(
    ("statement", "resets"),
    [
        ("RESET ALL", True),
        ("-- c\nreset lock_timeout", True),
        ("SET statement_timeout TO DEFAULT", True),
        ("SET SESSION lock_timeout=DEFAULT", True),
        ("RESET search_path", False),
        ("SET lock_timeout = '5s'", False),
    ],
)
def test_what_goes_back_to_the_servers_timeouts_is_known(statement: str, resets: bool) -> None:  # noqa: FBT001
    assert resets_timeouts(statement) is resets


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("COMMIT", "Take it out"),
        ("/* c */ begin", "Take it out"),
        ("SAVEPOINT a", "Take it out"),
        ("PREPARE TRANSACTION 'a'", "Take it out"),
        ("SET LOCAL search_path TO tenant", "SET without LOCAL"),
        ("LOCK TABLE t", "one statement"),
        ("SELECT id FROM t LIMIT 10 FOR NO KEY UPDATE SKIP LOCKED", "one statement"),
        ("DISCARD ALL", "RESET ALL"),
        ("CREATE TEMP TABLE x (id int)", "UNLOGGED"),
        ("create temporary view x as select 1", "UNLOGGED"),
        ("SELECT 1 INTO TEMP x", "UNLOGGED"),
        ("INSERT INTO t VALUES (1) RETURNING id", "without RETURNING"),
        ("update t set v = 1 returning id", "without RETURNING"),
    ],
)
def test_what_a_resumed_revision_could_not_do_again_is_refused(statement: str, hint: str) -> None:
    with pytest.raises(RefusedError, match="transactional = False") as caught:
        require_resumable(statement)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    "statement",
    [
        "SET transaction_timeout = 0",
        "PREPARE p AS SELECT 1",
        "INSERT INTO t VALUES ('RETURNING')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING id'",
        'SELECT "FOR UPDATE" FROM t',
        "CREATE TABLE temp ()",
    ],
)
def test_what_only_looks_like_it_is_not_refused(statement: str) -> None:
    require_resumable(statement)
