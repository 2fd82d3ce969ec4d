"""Parts are made after what they need, tables in one piece, and compared by what they are."""

from __future__ import annotations

from headway.baseline import sql_of, steps_of
from headway.baseline.python import executed
from headway.catalogue import Part, Parts, compare
from headway.results import Change


def a_part(kind: str, name: str, make: str = "", number: int = 0, **more: object) -> Part:
    facts: dict[str, object] = {"schema": "public", "table": None, "rest": "", "drop": None, **more}
    key = facts.pop("key", (1, number, 0))
    return Part(kind=kind, name=name, make=make, key=key, **facts)  # type: ignore[arg-type]  # as they are given


def a_table(
    name: str, number: int, *columns: str, needs: frozenset[tuple[int, int, int]] = frozenset()
) -> list[Part]:
    table = a_part("table", name, f"CREATE TABLE {name}", number, drop=f"DROP TABLE {name}", needs=needs)
    return [
        table,
        *(
            a_part("column", column, f"{column} integer", key=(1, number, place), table=name, rest="local",
                   needs=frozenset({table.key}))
            for place, column in enumerate(columns, start=1)
        ),
    ]  # fmt: skip


def parts_of(*groups: list[Part]) -> Parts:
    return Parts(tuple(part for group in groups for part in group), ())


def test_what_is_needed_comes_first_and_goes_last() -> None:
    function = a_part("function", "f()", "CREATE FUNCTION f", 9, drop="DROP ROUTINE f()")
    held = parts_of(a_table("a", 1, "x", "y", needs=frozenset({function.key})), [function], a_table("b", 2))
    up, down = sql_of(steps_of(held))
    assert up == (
        "SET LOCAL check_function_bodies = false;\n\nCREATE TABLE b (\n);\n\nCREATE FUNCTION f;\n\n"
        "CREATE TABLE a (\n    x integer,\n    y integer\n);\n"
    )
    assert down == "DROP TABLE a;\n\nDROP ROUTINE f();\n\nDROP TABLE b;\n"


def test_parts_in_a_circle_are_made_nevertheless_and_what_is_left_out_is_told() -> None:
    one = a_part("view", "one", "CREATE VIEW one", 1, needs=frozenset({(1, 2, 0)}))
    two = a_part("view", "two", "CREATE VIEW two", 2, needs=frozenset({(1, 1, 0)}))
    up, _ = sql_of(steps_of(Parts((two, one), ())), ["aggregate a()"])
    assert up.startswith("-- Not in this revision")
    assert up.endswith("-- - aggregate a()\n\nCREATE VIEW one;\n\nCREATE VIEW two;\n")


def test_text_comes_out_of_op_execute_as_it_was() -> None:
    from sqlalchemy import text

    found: list[str] = []

    class op:  # noqa: N801  # as a revision calls it
        execute = staticmethod(lambda sql: found.append(str(text(sql)).strip()))

    for statement in (
        r"SELECT ':a', '\:b', a::text, '\\:c'",
        "line 'one'\n  \"two\"",
        'x\n"""',
        "ends\n'a\\'",
    ):
        exec(executed(statement), {"op": op})  # noqa: S102  # what is tested is that Python reads it back
        assert found.pop() == statement


def test_only_the_whole_is_told_of_a_table_that_one_side_lacks() -> None:
    there = parts_of(a_table("a", 1, "x"), a_table("b", 2, "y"))
    comment = a_part(
        "comment", "table public.b", "COMMENT ON TABLE b IS 'x'", key=(1, 2, -5), needs=frozenset({(1, 2, 0)})
    )
    (added,) = compare(parts_of(a_table("a", 7, "x")), Parts((*there.all, comment), ()))
    assert (added.change, added.kind, added.name, added.schema) == (Change.ADDED, "table", "b", None)
    (removed,) = compare(there, parts_of(a_table("a", 7, "x")))
    assert (removed.change, removed.name) == (Change.REMOVED, "b")


def test_columns_in_another_order_are_told_on_request() -> None:
    one, other = parts_of(a_table("a", 1, "x", "y", "z")), parts_of(a_table("a", 1, "y", "x", "new"))
    words = [str(each) for each in compare(one, other)]
    assert "change column order of table a: x, y to y, x" in words
    assert {each.kind for each in compare(one, other, column_order=False)} == {"column"}
