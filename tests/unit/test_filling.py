"""Parameters written out in SQL."""

from __future__ import annotations

import pytest

from headway.sqltext import filled, written


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        (True, "true"),
        (False, "false"),
        (-7, "-7"),
        ("it's", "'it''s'"),
        ("a\\'b", "'a\\''b'"),
        (":other", "':other'"),
    ],
)
def test_a_value_is_written_as_sql_has_it(value: str | int | None, expected: str) -> None:
    assert written(value) == expected


def test_only_parameters_are_filled_in() -> None:
    sql = "SELECT a::text, 'HH24:MI', :one, CAST(:two AS int), :one"
    assert (
        filled(sql, {"one": ":two", "two": 2}) == "SELECT a::text, 'HH24:MI', ':two', CAST(2 AS int), ':two'"
    )


def test_a_parameter_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        filled("SELECT :missing", {})
