"""Revisions in SQL as files: names, headers, what cannot be run, and what their checksum is of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headway.sqlfiles import (
    FileName,
    Pair,
    checksum,
    file_name,
    is_candidate,
    new_names,
    place_of,
    read_header,
    read_script,
    read_text,
    written,
)


def flaws(text: str, *, transactional: bool | None = None, undoes: bool = False) -> list[str]:
    """What is wrong, each as ``line:column message``."""
    found = read_script(text, transactional=transactional, undoes=undoes)[1]
    places = [place_of(text, flaw.offset) for flaw in found]
    return [f"{place.line}:{place.column} {flaw.message}" for place, flaw in zip(places, found, strict=True)]


# -- names ---------------------------------------------------------------------------------------------------


def test_a_name_tells_the_version_and_what_the_file_does() -> None:
    assert file_name("20260229120000_x.up.sql") != file_name("20280229120000_x.up.sql")
    assert file_name("20280229120000_add_users2.up.sql") == FileName(
        "20280229120000", "add_users2", undoes=False
    )
    assert file_name("20280229120000_a.down.sql") == FileName("20280229120000", "a", undoes=True)


@pytest.mark.parametrize(
    "name",
    [
        "20260229120000_no_leap_year.up.sql",
        "20261301000000_month.up.sql",
        "2026010100000_short.up.sql",
        "20260101000000_Upper.up.sql",
        "20260101000000_two__lines.up.sql",
        "20260101000000_dash-ed.up.sql",
        "20260101000000_.up.sql",
        "20260101000000.up.sql",
        "20260101000000_neither.sql",
        "20260101000000_x.UP.SQL",
        "add_users.down.sql",
    ],
)
def test_a_name_that_means_to_be_one_and_is_none_is_told_how_it_should_be(name: str) -> None:
    assert is_candidate(name)
    said = file_name(name)
    assert isinstance(said, str)
    assert "YYYYMMDDHHMMSS_lower_case_name.up.sql" in said


@pytest.mark.parametrize("name", ["seed.sql", "2026_report.sql", ".20260101000000_x.up.sql", "x.up.sql~"])
def test_other_files_are_nobodys_business(name: str) -> None:
    assert not is_candidate(name)


def test_a_new_revision_gets_the_next_free_second_and_a_name_that_can_be_read_again() -> None:
    now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    version, name = new_names("Add users' e-mail, Ünïcode & all", now, {"20261231235959"})
    assert version == "20270101000000"
    assert file_name(f"{name}.up.sql") == FileName(version, "add_users_e_mail_n_code_all", undoes=False)
    assert file_name(new_names("x y " * 80, now, ())[1] + ".up.sql")
    assert new_names("…", now, ())[1] == "20261231235959_revision"


# -- headers -------------------------------------------------------------------------------------------------


def test_a_header_may_take_several_lines_among_other_comments() -> None:
    header, wrong = read_header(
        "/* licence */\n-- about\n-- headway: revision=r2 parent=a,b transactional=no\n"
        '--HEADWAY: message="say ""hi""" depends_on=c  branch_label=billing lock_timeout="2 s"\nSELECT 1'
    )
    assert wrong == []
    assert (header.revision, header.parents, header.depends_on) == ("r2", ("a", "b"), ("c",))
    assert (header.labels, header.transactional, header.line) == (("billing",), False, 3)
    assert header.said["message"] == 'say "hi"'
    assert header.timeouts == {"lock_timeout": "2 s"}


def test_what_a_comment_says_to_lint_is_no_header() -> None:
    header, wrong = read_header(
        "-- headway: allow drop-table: nobody reads it\n-- headway: parent=base\nDROP TABLE t"
    )
    assert (dict(header.said), wrong) == ({"parent": "base"}, [])


def test_without_a_header_nothing_is_said() -> None:
    header, wrong = read_header("-- headway is nice\nSELECT '-- headway: revision=x'")
    assert (wrong, dict(header.said), header.parents, header.transactional) == ([], {}, None, None)
    assert read_header("-- headway: parent=base")[0].parents == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-- headway: parnet=x", "did you mean parent?"),
        ("-- headway: colour=red", "knows no 'colour'; there are revision, parent"),
        ("-- headway: parent=x parent=y", "parent is said twice"),
        ("-- headway: parent=a, b", "in place of 'b'"),
        ('-- headway: message="open', "in place of 'message=\"open'"),
        ('-- headway: message=""', "message says nothing"),
        ("-- headway parent=x", "with a colon"),
        ("-- headway: transactional=maybe", "is yes or no, not 'maybe'"),
        ("SELECT 1;\n-- headway: transactional=no", "above the first statement"),
    ],
)
def test_a_header_that_says_something_else_is_refused(line: str, said: str) -> None:
    (flaw,) = flaws(line)
    assert said in flaw


# -- statements ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("BEGIN", "begins and ends the transaction"),
        ("start transaction", "begins and ends the transaction"),
        ("COMMIT", "begins and ends the transaction"),
        ("END", "begins and ends the transaction"),
        ("ROLLBACK", "begins and ends the transaction"),
        ("ROLLBACK WORK", "begins and ends the transaction"),
        ("PREPARE TRANSACTION 'x'", "begins and ends the transaction"),
        ("COPY t FROM stdin WITH (FORMAT csv)", "COPY wants its rows from the client"),
        ("copy (SELECT 1) to STDOUT", "COPY wants its rows from the client"),
        ("SET standard_conforming_strings TO off", "backslashes in strings"),
        ("\\connect other", "psql's"),
        ("\\i more.sql", "psql's"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_place_and_a_reason(statement: str, said: str) -> None:
    (flaw,) = flaws(f"SELECT 1;\n  /* so */ {statement}")
    assert flaw.startswith("2:12 ")
    assert said in flaw


@pytest.mark.parametrize(
    "statement",
    [
        "SAVEPOINT s",
        "ROLLBACK TO SAVEPOINT s",
        "ROLLBACK WORK TO s",
        "PREPARE p AS SELECT 1",
        "COPY t FROM '/srv/t.csv'",
        "COPY t (stdin) FROM PROGRAM 'cat'",
        "SELECT ':name', 'COPY t FROM stdin', E'\\\\connect'",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CREATE TABLE begin (id int)",
    ],
)
def test_what_the_engine_can_run_is_not_refused(statement: str) -> None:
    assert flaws(f"{statement};") == []


def test_without_a_transaction_other_statements_are_refused() -> None:
    assert "its own transaction only" in flaws("-- headway: transactional=no\nSET LOCAL x.y = 1")[0]
    assert "a transaction of its own" in flaws("BEGIN", transactional=False)[0]
    assert flaws("CREATE INDEX CONCURRENTLY i ON t (id)", transactional=False) == []
    assert flaws("-- headway: transactional=yes\nSET LOCAL x.y = 1", transactional=False) == []


def test_the_file_that_undoes_says_how_it_is_run_and_not_what_it_is() -> None:
    (flaw,) = flaws("-- headway: parent=x transactional=no message=y", undoes=True)
    assert "parent, message: say it in the header of the .up.sql" in flaw


def test_what_is_no_text_is_refused() -> None:
    assert read_text(b"\xef\xbb\xbfSELECT 1\r\n") == "SELECT 1\r\n"
    with pytest.raises(ValueError, match="line 2 is not UTF-8"):
        read_text(b"SELECT 1;\nSELECT '\xe4'")
    with pytest.raises(ValueError, match="null character"):
        read_text(b"SELECT '\0'")


# -- places --------------------------------------------------------------------------------------------------


def test_a_place_counts_characters_and_shows_them() -> None:
    place = place_of("SELECT 1;\r\n\tSELECT 'é', nope;\r\n", 24)
    assert (place.line, place.column) == (2, 14)
    assert place.excerpt == " SELECT 'é', nope;\n             ^"
    assert place_of("", 0).excerpt == "\n^"
    wide = place_of("x" * 300 + "!" + "y" * 300, 300)
    assert wide.excerpt is not None
    line, caret = wide.excerpt.splitlines()
    assert line[caret.index("^")] == "!"
    assert len(line) <= 110


def test_a_line_that_may_hold_a_secret_is_not_shown() -> None:
    text = "CREATE ROLE x PASSWORD\n 'S3CRET' nope;"
    assert place_of(text, 30).excerpt is None
    assert place_of(f"SELECT 1;\n{text}", 3, around="SELECT 1").excerpt is not None


# -- checksums -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "same",
    [
        "create table T(id int) ; insert into t values (1, 'A  b')",
        "-- why\nCREATE TABLE t (\r\n  id int /* key */\r\n);\r\nINSERT INTO t VALUES (1,'A  b');;",
        "-- headway: message=\"other words\"\nCREATE TABLE t (id int); INSERT INTO t VALUES (1, 'A  b')",
    ],
)
def test_comments_layout_and_message_do_not_count(same: str) -> None:
    first = "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1, 'A  b');\n"
    assert checksum(same, None) == checksum(first, None)


def test_everything_else_counts() -> None:
    different = [
        ("SELECT 'a b'", None),
        ("SELECT 'a  b'", None),
        ("SELECT 'A b'", None),
        ("SELECT 'a b'", ""),
        ("SELECT 'a b'", "SELECT 1"),
        ("SELECT 'a b'; SELECT 1", None),
        ("-- headway: transactional=no\nSELECT 'a b'", None),
        ("-- headway: parent=x\nSELECT 'a b'", None),
        ('SELECT "a b"', None),
        ('SELECT "A b"', None),
    ]
    assert len({checksum(*texts) for texts in different}) == len(different)


def test_what_is_written_for_a_new_revision_is_read_again() -> None:
    pair = Pair("20260101000000", ("a", "b c"), 'say "x"\n{and} more', ("c",), ("billing",))
    up, down = written(pair, "20260101000000_say")
    header, wrong = read_header(up)
    assert wrong == []
    assert flaws(up) == flaws(down, undoes=True) == []
    assert (header.revision, header.parents, header.depends_on, header.labels) == (
        "20260101000000",
        ("a", "b c"),
        ("c",),
        ("billing",),
    )
    assert header.said["message"] == 'say "x" {and} more'
    assert read_header(written(Pair("x", (), "m"), "n")[0])[0].parents == ()
