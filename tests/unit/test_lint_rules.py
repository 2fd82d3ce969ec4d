"""What lint finds in statements, by their text and by what PostgreSQL was seen doing."""

from __future__ import annotations

import ast

import pytest

from headway.lint import RULES, Policy
from headway.lint.parsing import read
from headway.results import LockMode, Severity, StatementReview
from lint_subjects import IRREVERSIBLE, lint, rules, step, traced

AEL, SHARE, ROWS = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE, LockMode.ROW_EXCLUSIVE

FOUND = [
    ("ALTER TABLE users ADD COLUMN a int CHECK (a > 0)", "check-constraint-scan"),
    ("ALTER TABLE users ADD COLUMN a positive", "domain-constraint-scan"),
    (
        "ALTER TABLE users ADD CONSTRAINT pk PRIMARY KEY USING INDEX users_age_unique",
        "primary-key-nullable-index",
    ),
    ("ALTER TABLE users ALTER age SET NOT NULL", "not-null-scan required-column"),
    ("ALTER TABLE users ALTER email SET NOT NULL, DROP CONSTRAINT users_email_known", "not-null-scan"),
    (
        "ALTER TABLE events ATTACH PARTITION events_old FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
        "attach-partition-scan",
    ),
    (
        "CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
        "partition-of-lock",
    ),
    ("ALTER TABLE events DETACH PARTITION events_old", "detach-partition-not-concurrent"),
    ("ALTER TABLE posts DROP CONSTRAINT posts_user", "drop-locks-referenced-table"),
    ("DROP TABLE posts", "drop-table drop-locks-referenced-table"),
    ("ALTER TABLE posts DROP COLUMN user_id", "drop-column drop-locks-referenced-table"),
    ("ALTER TABLE users DROP COLUMN age", "drop-column"),
    ("ALTER TABLE users ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY", "identity-column-rewrite"),
    ("ALTER TABLE users ADD COLUMN n bigserial", "volatile-default-rewrite"),
    ("ALTER TABLE users ADD COLUMN u uuid DEFAULT gen_random_uuid()", "volatile-default-rewrite"),
    ("ALTER TABLE users ADD COLUMN u uuid DEFAULT ours()", "volatile-default-rewrite"),
    ("ALTER TABLE users ADD COLUMN g int GENERATED ALWAYS AS (age + 1) STORED", "stored-generated-column"),
    ("ALTER TABLE users ALTER seen TYPE timestamptz", "type-change-rewrite type-change-incompatible"),
    ("ALTER TABLE users ALTER age TYPE bigint", "type-change-rewrite"),
    ("ALTER TABLE users ALTER age TYPE text", "type-change-rewrite type-change-incompatible"),
    ("ALTER TABLE users ALTER note TYPE varchar(10)", "type-change-rewrite type-change-incompatible"),
    ("ALTER TABLE users ALTER price TYPE numeric(13, 3)", "type-change-rewrite"),
    ("ALTER TABLE users ALTER price TYPE numeric(12, 1)", "type-change-rewrite type-change-incompatible"),
    ("ALTER TABLE users ALTER email TYPE text", "table-scan-under-lock"),
    ("ALTER TABLE users ALTER age TYPE int COLLATE x", "type-change-rewrite"),
    ("ALTER TABLE users ADD CONSTRAINT n NOT NULL age NOT VALID", "required-column"),
    ("DELETE FROM users WHERE org_id = 3", "unbatched-data-change"),
    ("ALTER TABLE users ALTER email TYPE text USING lower(email)", "type-change-rewrite"),
    ("ALTER TABLE users SET UNLOGGED", "table-rewrite"),
    ("ALTER TABLE users ADD COLUMN a int NOT NULL", "required-column"),
    ("ALTER TABLE users ADD COLUMN a int UNIQUE", "unique-constraint-builds-index"),
    ("ALTER TABLE users ADD COLUMN a bigint DEFAULT 1 REFERENCES orgs (id)", "foreign-key-scan"),
    ("ALTER TABLE users ADD FOREIGN KEY (org_id) REFERENCES orgs (id)", "foreign-key-scan"),
    ("ALTER TABLE users ADD CHECK (age > 0)", "check-constraint-scan"),
    ("ALTER TABLE users ADD CONSTRAINT u UNIQUE (email)", "unique-constraint-builds-index"),
    ("ALTER TABLE amounts ADD PRIMARY KEY (amount)", "primary-key-builds-index"),
    ("ALTER TABLE users ADD CONSTRAINT e EXCLUDE USING gist (age WITH =)", "exclusion-constraint"),
    ("ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 9)", "domain-constraint-scan"),
    ("CREATE INDEX i ON users (email)", "index-not-concurrent"),
    ("CREATE UNIQUE INDEX i ON users (email)", "index-not-concurrent"),
    ("DROP INDEX users_age", "drop-index-not-concurrent"),
    ("REINDEX TABLE users", "reindex-not-concurrent"),
    ("!VACUUM FULL users", "vacuum-full-or-cluster"),
    ("CLUSTER users USING users_age", "vacuum-full-or-cluster"),
    ("REFRESH MATERIALIZED VIEW totals", "refresh-not-concurrent"),
    ("LOCK TABLE users", "table-locked-explicitly"),
    ("SET lock_timeout = 0", "lock-timeout-disabled"),
    ("RESET lock_timeout", "lock-timeout-disabled"),
    ("SELECT set_config('lock_timeout', '0', true)", "lock-timeout-disabled"),
    ("SET LOCAL statement_timeout = '0s'", "lock-timeout-disabled"),
    ("CREATE INDEX CONCURRENTLY i ON users (email)", "concurrently-in-transaction"),
    ("DROP INDEX CONCURRENTLY users_age", "concurrently-in-transaction"),
    ("!CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (email)", "concurrently-if-not-exists"),
    ("!CREATE UNIQUE INDEX CONCURRENTLY i ON users (email)", "data-dependent"),
    ("ALTER TABLE users RENAME COLUMN age TO years", "rename-column"),
    ("ALTER TABLE users RENAME TO people", "rename-table"),
    ("ALTER TABLE users SET SCHEMA old", "rename-table"),
    ("ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", "enum-value-renamed"),
    ("DROP VIEW grown", "drop-view"),
    ("UPDATE users SET age = 1", "unbatched-data-change"),
    ("UPDATE users SET age = 1 WHERE age IS NULL", "unbatched-data-change"),
    ("DELETE FROM users WHERE age < 3", "unbatched-data-change"),
    ("TRUNCATE users", "truncate-table"),
    ("CREATE TABLE " + "a" * 64 + " (id int)", "name-too-long"),
    ("CREATE TABLE " + '"' + "ü" * 32 + '" (id int)', "name-too-long"),
    ("CREATE TABLE a (id int); CREATE INDEX i ON a (id)", "several-statements-in-one-string"),
]

PASSED = [
    "ALTER TABLE users ADD COLUMN a int",
    "ALTER TABLE users ADD COLUMN a timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT 5",
    "ALTER TABLE users ADD COLUMN a anything",
    "ALTER TABLE users ADD COLUMN a mood DEFAULT 'ok'",
    "ALTER TABLE users ADD COLUMN a bigint REFERENCES orgs (id)",
    "ALTER TABLE users ADD COLUMN g int GENERATED ALWAYS AS (age + 1) VIRTUAL",
    "ALTER TABLE users ALTER note TYPE varchar(80)",
    "ALTER TABLE users ALTER note TYPE text",
    "ALTER TABLE users ALTER note TYPE varchar(80) USING note::varchar(80)",
    "ALTER TABLE users ALTER price TYPE numeric(12, 2)",
    "ALTER TABLE users ALTER email SET NOT NULL",
    "ALTER TABLE users ALTER email DROP NOT NULL",
    "ALTER TABLE users ADD CONSTRAINT pk PRIMARY KEY USING INDEX users_email_unique",
    "ALTER TABLE users ADD CONSTRAINT u UNIQUE USING INDEX users_age_unique",
    "ALTER TABLE users ADD CHECK (age > 0) NOT VALID",
    "ALTER TABLE users ADD FOREIGN KEY (org_id) REFERENCES orgs (id) NOT VALID",
    "ALTER TABLE users VALIDATE CONSTRAINT users_email_known",
    "ALTER TABLE events ATTACH PARTITION events_proved FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    "!ALTER TABLE events DETACH PARTITION events_old CONCURRENTLY",
    "ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 9) NOT VALID",
    "CREATE INDEX i ON ONLY events (id)",
    "!CREATE INDEX CONCURRENTLY i ON users (email)",
    "!DROP INDEX CONCURRENTLY users_age",
    "!REINDEX TABLE CONCURRENTLY users",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY totals",
    "LOCK TABLE users IN ACCESS SHARE MODE",
    "SET lock_timeout = '2s'",
    "ALTER TYPE mood ADD VALUE 'great'",
    "UPDATE users SET age = 1 WHERE id = 7",
    "DELETE FROM users WHERE id IN (SELECT id FROM users WHERE age < 3 LIMIT 100)",
    "INSERT INTO orgs VALUES (1)",
    "CREATE TABLE extra (id int PRIMARY KEY, user_id bigint REFERENCES users (id))",
]

TOGETHER = [
    (("CREATE TABLE a (id int)", "CREATE INDEX i ON a (id)", "ALTER TABLE a ALTER id SET NOT NULL"), ""),
    (("!CREATE TABLE a (id int)", "!CREATE INDEX i ON a (id)"), ""),
    (
        ("ALTER TABLE users ADD a int", "UPDATE users SET a = 1"),
        "unbatched-data-change several-hazards-in-one-transaction",
    ),
    (("ALTER TABLE users ADD a int", "ALTER TABLE orgs ADD a int"), "several-hazards-in-one-transaction"),
    (("ALTER TABLE users ADD a int", "ALTER TABLE users ADD b int"), ""),
    (
        ("ALTER TABLE users ADD a int", "INSERT INTO orgs SELECT id FROM posts"),
        "several-hazards-in-one-transaction",
    ),
    (
        (
            "ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID",
            "ALTER TABLE users VALIDATE CONSTRAINT c",
        ),
        "validate-in-same-transaction",
    ),
    (
        (
            "!ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID",
            "!ALTER TABLE users VALIDATE CONSTRAINT c",
        ),
        "",
    ),
    (
        ("ALTER TYPE mood ADD VALUE 'x'", "UPDATE users SET email = 'x' WHERE id = 1"),
        "enum-value-used-at-once",
    ),
    (("ALTER TYPE mood ADD VALUE 'x'", "UPDATE users SET email = 'y' WHERE id = 1"), ""),
    (("CREATE TYPE t AS ENUM ('a')", "ALTER TYPE t ADD VALUE 'x'", "CREATE TABLE a (b t DEFAULT 'x')"), ""),
    (("ALTER TABLE users ADD a int", "!CREATE INDEX CONCURRENTLY i ON users (a)"), "autocommit-mixed"),
    (("!CREATE INDEX CONCURRENTLY i ON users (age)", "!DROP INDEX CONCURRENTLY users_age"), ""),
    (("ALTER TABLE users RENAME TO people", "CREATE VIEW users AS TABLE people"), ""),
    (("DROP VIEW grown", "CREATE VIEW grown AS SELECT 1"), ""),
    (("!SET lock_timeout = 0", "!CREATE INDEX CONCURRENTLY i ON users (age)"), ""),
]

WATCHED = [
    # What PostgreSQL did decides, whatever the text may suggest.
    (traced("ALTER TABLE users ADD COLUMN u uuid DEFAULT ours()", ("users", AEL)), ""),
    (traced("ALTER TABLE users ALTER age SET NOT NULL", ("users", AEL)), ""),
    (
        traced("ALTER TABLE users ALTER email SET NOT NULL", ("users", AEL), scanned=["users"]),
        "not-null-scan",
    ),
    (traced("ALTER TABLE users ALTER age TYPE bigint", ("users", AEL)), ""),
    (
        traced("ALTER TABLE users ALTER email TYPE text", ("users", AEL), rewritten=["users"]),
        "type-change-rewrite",
    ),
    (traced("CREATE INDEX i ON made_just_now (a)"), ""),
    (traced("CREATE INDEX i ON users (age)", ("users", SHARE), scanned=["users"]), "index-not-concurrent"),
    (
        traced("ALTER TABLE users ADD COLUMN a of_unknown_kind", ("users", AEL), rewritten=["users"]),
        "domain-constraint-scan",
    ),
    (traced("DO $$ … $$", ("users", AEL), rewritten=["users"]), "table-rewrite"),
    (traced("DO $$ … $$", ("users", SHARE), scanned=["users"]), "table-scan-under-lock"),
    (traced("SELECT count(*) FROM users", ("users", LockMode.ACCESS_SHARE), scanned=["users"]), ""),
    (traced("UPDATE users SET age = 1 WHERE id = 1", ("users", ROWS), scanned=["users"]), ""),
    (
        traced("ALTER TABLE x DROP CONSTRAINT y", ("x", AEL), ("users", AEL)),
        "drop-locks-referenced-table",
    ),
    (
        # Of two clauses, the one that may be the reason is blamed.
        traced(
            "ALTER TABLE users ADD COLUMN a int DEFAULT 1, ADD COLUMN u uuid DEFAULT gen_random_uuid()",
            ("users", AEL),
            rewritten=["users"],
        ),
        "volatile-default-rewrite",
    ),
]


@pytest.mark.parametrize(("statement", "expected"), FOUND)
def test_a_hazard_is_found_in_the_text_alone(statement: str, expected: str) -> None:
    assert rules(lint(statement)) == expected.split()


@pytest.mark.parametrize("statement", PASSED)
def test_what_is_harmless_raises_no_alarm(statement: str) -> None:
    assert rules(lint(statement)) == []


@pytest.mark.parametrize(("statements", "expected"), TOGETHER)
def test_statements_are_judged_in_their_transaction(statements: tuple[str, ...], expected: str) -> None:
    assert rules(lint(*statements)) == expected.split()


@pytest.mark.parametrize(("review", "expected"), WATCHED)
def test_what_postgresql_was_seen_doing_decides(review: StatementReview, expected: str) -> None:
    assert rules(lint(review)) == expected.split()


def test_every_rule_is_found_somewhere() -> None:
    shown = {slug for _, expected in [*FOUND, *TOGETHER, *WATCHED] for slug in expected.split()}
    elsewhere = {slug for slug in RULES if slug.startswith(("downgrade-", "silence-", "data-change-"))}
    assert shown | elsewhere == set(RULES)


@pytest.mark.parametrize(("statement", "_expected"), FOUND)
def test_a_recipe_is_code_that_parses(statement: str, _expected: str) -> None:
    for finding in lint(statement):
        if "…" not in finding.recipe:
            ast.parse(finding.recipe)
    for finding in lint(statement, path="1_a.up.sql", source=""):
        if "…" not in finding.recipe:
            assert read(finding.recipe).problem is None, finding.recipe


def test_a_recipe_has_the_users_own_names_quoted_where_they_must_be() -> None:
    [finding] = lint('ALTER TABLE app."Users" ADD CONSTRAINT "Grown Up" CHECK ("Age" > 17)')
    assert finding.recipe == (
        'op.create_check_constraint("Grown Up", "Users", "\\"Age\\" > 17", schema="app", '
        "postgresql_not_valid=True)\n\n# in a second revision:\n# import headway.op\n"
        'headway.op.validate_constraint("Grown Up", "Users", schema="app")'
    )
    [in_sql] = [
        it
        for it in lint(
            'ALTER TABLE app."Users" ADD FOREIGN KEY (a) REFERENCES orgs (id)', path="1.up.sql", source=""
        )
        if it.rule == "foreign-key-scan"
    ]
    assert in_sql.recipe == (
        'ALTER TABLE app."Users" ADD CONSTRAINT "Users_a_fkey" FOREIGN KEY (a) REFERENCES orgs (id) '
        "NOT VALID;\n\n"
        '-- in a second revision:\nALTER TABLE app."Users" VALIDATE CONSTRAINT "Users_a_fkey";'
    )


def test_a_finding_says_where_it_is_what_is_locked_and_who_waits() -> None:
    [finding] = lint("CREATE INDEX i ON users (email)")
    assert (finding.line, finding.statement, finding.severity) == (11, 1, Severity.ERROR)
    assert finding.lock is not None
    assert (finding.lock.relation, finding.lock.mode) == ("users", SHARE)
    assert finding.blocks == "every write to users waits, for as long as the index is built"


def test_the_projects_severity_counts_more_than_the_rules_own() -> None:
    milder = Policy({"index-not-concurrent": Severity.WARNING})
    assert [it.severity for it in lint("CREATE INDEX i ON users (email)", policy=milder)] == [
        Severity.WARNING
    ]
    off = Policy({"index-not-concurrent": Severity.OFF})
    assert rules(lint("CREATE INDEX i ON users (email)", policy=off)) == []
    # What another rule would have said is said where that rule is off.
    assert rules(lint("CREATE UNIQUE INDEX i ON users (email)", policy=off)) == ["data-dependent"]


def test_a_time_limit_taken_away_at_the_top_of_the_file_is_found() -> None:
    source = f"lock_timeout = 0\n{IRREVERSIBLE}"
    found = lint("ALTER TABLE users ADD a int", source=source)
    assert [(it.rule, it.line) for it in found if it.rule == "lock-timeout-disabled"] == [
        ("lock-timeout-disabled", 1)
    ]
    harmless = lint("!CREATE INDEX CONCURRENTLY i ON users (age)", source=source)
    assert "lock-timeout-disabled" not in rules(harmless)


def test_what_nobody_watched_is_explained_by_its_text() -> None:
    from headway.lint import Subject, explained
    from lint_subjects import before

    [review] = explained(
        Subject(step=step("ALTER TABLE users ALTER age TYPE bigint"), source="", before=before())
    )
    assert [(lock.relation, lock.mode) for lock in review.locks] == [("users", AEL)]
    assert review.rewritten == ("users",)
