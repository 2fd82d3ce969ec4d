"""The journal beside a revision: whether a statement is still the one that was journalled."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from headway import DirtyError
from headway.journal import Journal, Line, digest, lines_of
from headway.results import JournalledStatement


def line(statement: str, parameters: object = (), **more: object) -> Line:
    return Line(statement, digest(statement, parameters), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        (("SELECT 1", ()), ("SELECT 1", ()), True),
        (("SELECT  1\n", ()), ("-- why\nSELECT 1", ()), True),
        (("SELECT 1", ()), ("SELECT 2", ()), False),
        (("SELECT '-1'", ()), ("SELECT '-2'", ()), False),
        (("SELECT $1", (1,)), ("SELECT $1", (1,)), True),
        (("SELECT $1", (1,)), ("SELECT $1", ("1",)), False),
        (("SELECT $1", (b"a",)), ("SELECT $1", (bytearray(b"a"),)), True),
        (("SELECT $1", (memoryview(b"a"),)), ("SELECT $1", (memoryview(b"b"),)), False),
        (("SELECT $1", (Decimal("1.0"),)), ("SELECT $1", (Decimal("1.00"),)), False),
        (("SELECT $1", ([1, None],)), ("SELECT $1", ([1, None],)), True),
        (("SELECT $1", ({"a", "b"},)), ("SELECT $1", (frozenset({"b", "a"}),)), True),
        (("SELECT :a", {"a": 1, "b": 2}), ("SELECT :a", {"b": 2, "a": 1}), True),
        (("SELECT $1", [(1,), (2,)]), ("SELECT $1", [(1,), (3,)]), False),
        (("SELECT $1", (object(),)), ("SELECT $1", (object(),)), True),
        (("SELECT '\udcff → ü'", ()), ("SELECT '\udcff → ü'", ()), True),
    ],
)
def test_a_statement_is_the_same_by_text_and_parameters(
    then: tuple[str, object],
    now: tuple[str, object],
    same: bool,  # noqa: FBT001  # a table's column
) -> None:
    assert line(*then).is_of(now[0], now[0], now[1]) is same


def test_a_digest_is_ascii_and_never_the_same_twice() -> None:
    first, second = digest("SELECT 'ü'", ("Passwort",)), digest("SELECT 'ü'", ("Passwort",))
    assert first.isascii()
    assert first != second


def test_a_password_leaves_no_trace_in_the_digest() -> None:
    one = line("CREATE ROLE r PASSWORD 'one'")
    assert one.is_of("CREATE ROLE r PASSWORD 'two'", "", ())
    assert not one.is_of("CREATE ROLE s PASSWORD 'one'", "", ())


def test_a_journal_without_digests_is_compared_by_its_text() -> None:
    (old,) = lines_of([JournalledStatement(0, "SELECT 1", datetime.now(UTC), datetime.now(UTC))])
    assert old.done
    assert old.is_of("SELECT  1", "SELECT 1", ())
    assert not old.is_of("SELECT 2", "SELECT 2", ())


def test_a_revision_that_ends_too_soon_is_refused_and_one_without_what_was_refused_is_not() -> None:
    journal = Journal("r1", [line("SELECT 1", done=True), line("SELEC 2", rejected="42601")])
    with pytest.raises(DirtyError, match=r"one more:\n  SELECT 1"):
        journal.require_whole()
    journal.position = 1
    journal.require_whole()


def test_other_parameters_are_said_to_be_what_differs() -> None:
    journal = Journal("r1", [line("SELECT $1", (1,), done=True)])
    error = journal.differs(journal.lines[0], "SELECT $1")
    assert "other parameters" in error.message
    assert "gen_random_uuid()" in str(error.hint)
