"""A statement taken down is what the lexer makes of it, also where the lexer is spared."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import postgresql

from headway.alembic_bridge.recording import Recorder
from headway.sqltext import split


@pytest.mark.parametrize(
    "sql",
    [
        "  ALTER TABLE t ADD COLUMN size INTEGER DEFAULT '0' NOT NULL\n",
        "COMMENT ON TABLE t IS 'it''s; -- no /* comment'",
        'CREATE TABLE "a;b" (c text DEFAULT \'x\', "say ""hello""" text)',
        "CREATE TABLE t (c text); ",
        "INSERT INTO t VALUES (E'it\\'s; one')",
        "SELECT $$a; b$$",
        "CREATE VIEW v AS SELECT 'a' -- ; b",
    ],
)
def test_one_statement_is_noted_as_the_lexer_cuts_it(sql: str) -> None:
    recorder = Recorder(postgresql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
    recorder.exec_driver_sql(sql)
    assert recorder.statements == [statement.text for statement in split(sql)[0]]


@pytest.mark.parametrize(
    "sql",
    ["SELECT 'a'; SELECT 'b'", "SELECT 'never closed", "SELECT 'zero \0 byte'", 'SELECT "a\0"', "COMMIT"],
)
def test_what_is_not_one_harmless_statement_ends_the_recording(sql: str) -> None:
    recorder = Recorder(postgresql.dialect())  # type: ignore[no-untyped-call]  # as above
    with pytest.raises(BaseException):  # noqa: B017, PT011  # a class of the module's own, which none may catch
        recorder.exec_driver_sql(sql)
    assert recorder.ended
    assert not recorder.statements
