"""A message is told for what it is, however the engine puts its statements together."""

from __future__ import annotations

import pytest
from statement_kinds import IN_ONE, kind_of, pieces_of


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("SET LOCAL a = 1;\nCREATE TABLE shelf ();\nCOMMIT;", IN_ONE),
        ("SET LOCAL a = 1;\nCREATE TABLE shelf ();\nCOMMIT;\nBEGIN;\nEXECUTE begun('200ms')", IN_ONE),
        ("SET LOCAL a = 1; CREATE TABLE shelf (); COMMIT; BEGIN", IN_ONE),
        ("BEGIN;\nSELECT set_config('lock_timeout', '200ms', true)", "begin"),
        ("COMMIT;\nBEGIN;\nSELECT set_config('lock_timeout', '200ms', true)", "commit"),
        ("ROLLBACK;\nDO $$ BEGIN a; b; COMMIT; END $$", "rollback"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ a; b; COMMIT; $$", "DDL of a revision"),
        ("INSERT INTO book VALUES ('; a; b; COMMIT;')", "data of a revision"),
    ],
)
def test_only_what_comes_before_a_commit_makes_a_step_in_one_message(message: str, kind: str) -> None:
    assert kind_of(message) == kind


def test_a_message_falls_apart_where_statements_end_and_nowhere_else() -> None:
    pieces = [
        "SELECT 'it''s; one'",
        'DROP TABLE "a;b"',
        "DO $x$ a; b; $x$",
        "SELECT 1 /* ; */ -- ;\n+ 1",
        "COMMIT",
    ]
    assert pieces_of(";\n".join(pieces) + ";") == pieces
