"""Revisions in SQL are part of the graph, beside those in Python or alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headway.errors import ExitCode, GraphError
from headway.revisions import read_graph

if TYPE_CHECKING:
    from pathlib import Path

A, B, C, D, E = (f"2026010{day}000000" for day in range(1, 6))


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "versions"
    folder.mkdir()
    return folder


def pair(folder: Path, name: str, header: str = "", *, down: bool = True) -> None:
    first = f"-- headway: {header}\n" if header else ""
    (folder / f"{name}.up.sql").write_text(f"{first}SELECT 1;\n", encoding="utf-8")
    if down:
        (folder / f"{name}.down.sql").write_text("SELECT 2;\n", encoding="utf-8")


def python(folder: Path, id_: str, parent: object) -> None:
    (folder / f"{id_}.py").write_text(f'"""."""\nrevision = {id_!r}\ndown_revision = {parent!r}\n')


def problems(folder: Path) -> list[str]:
    with pytest.raises(GraphError) as caught:
        read_graph([folder])
    assert caught.value.exit_code is ExitCode.INTEGRITY
    return list(caught.value.problems)


def test_alone_they_follow_one_another_by_timestamp(versions: Path) -> None:
    pair(versions, f"{B}_add_users")
    pair(versions, f"{C}_fill", 'message="Fill them"')
    pair(versions, f"{A}_first", down=False)
    (versions / "seed.sql").write_text("no revision")
    graph = read_graph([versions])
    assert {id_: revision.parents for id_, revision in graph.revisions.items()} == {A: (), B: (A,), C: (B,)}
    assert [revision.description for revision in graph.revisions.values()] == [
        "first",
        "add users",
        "Fill them",
    ]
    assert graph.revisions[A].path == versions / f"{A}_first.up.sql"
    assert graph.heads == (C,)


def test_the_order_of_timestamps_goes_across_folders(versions: Path) -> None:
    other = versions / "more"
    other.mkdir()
    pair(versions, f"{A}_a")
    pair(other, f"{B}_b")
    pair(versions, f"{C}_c")
    assert read_graph([versions, other]).revisions[C].parents == (B,)
    assert read_graph([versions], recursive=True).revisions[C].parents == (B,)
    assert read_graph([versions]).revisions[C].parents == (A,)


def test_a_header_says_id_parents_dependencies_and_label(versions: Path) -> None:
    pair(versions, f"{A}_a", "revision=shop parent=base branch_label=retail")
    pair(versions, f"{B}_b", "revision=till parent=base depends_on=retail")
    pair(versions, f"{C}_c", "parent=shop,till")
    graph = read_graph([versions])
    assert graph.bases == ("shop", "till")
    assert graph.labels == {"retail": "shop"}
    assert graph.parents_of("till") == ("shop",)
    assert graph.revisions[C].parents == ("shop", "till")


def test_both_kinds_make_one_graph(versions: Path) -> None:
    python(versions, "p1", None)
    pair(versions, f"{A}_a", "parent=p1")
    pair(versions, f"{B}_b")
    python(versions, "p2", B)
    pair(versions, f"{C}_c", "parent=p2")
    assert list(read_graph([versions]).revisions) == ["p1", A, B, "p2", C]


def test_python_may_build_on_sql_alone(versions: Path) -> None:
    pair(versions, f"{A}_a")
    python(versions, "p1", A)
    assert list(read_graph([versions]).revisions) == [A, "p1"]


def test_a_parent_that_only_a_timestamp_could_tell_must_be_named_beside_python(versions: Path) -> None:
    python(versions, "p1", None)
    pair(versions, f"{A}_a")
    (problem,) = problems(versions)
    assert problem == (
        f"versions/{A}_a.up.sql:1: names no parent, and a revision in Python is a base already: write "
        "`-- headway: parent=p1` (or parent=base) on its first line"
    )
    pair(versions, f"{A}_a", "parent=p1")
    python(versions, "p2", A)
    pair(versions, f"{B}_b")
    (problem,) = problems(versions)
    assert f"a revision in Python follows {A}, which is the SQL revision before it" in problem
    assert "parent=p2" in problem


def test_sql_that_a_revision_in_python_brings_along_is_its_own_business(versions: Path) -> None:
    python(versions, f"{A}_a", None)
    pair(versions, f"{A}_a")
    python(versions, "b2_Add_Users", f"{A}_a")
    pair(versions, "b2_Add_Users")
    assert list(read_graph([versions]).revisions) == [f"{A}_a", "b2_Add_Users"]


def test_what_is_wrong_with_pairs_is_listed_at_once(versions: Path) -> None:
    pair(versions, f"{A}_a")
    pair(versions, f"{A}_b")
    pair(versions, f"{B}_c", "revision=x")
    pair(versions, f"{B}_d", "revision=y parent=x")
    pair(versions, f"{C}_Bad")
    (versions / f"{C}_alone.down.sql").write_text("")
    (versions / f"{C}_latin.up.sql").write_bytes(b"-- \xe4")
    pair(versions, f"{D}_e", "parnt=x")
    pair(versions, f"{E}_f", "parent=nobody")
    line = "-- headway: parnt=x"
    rule = "SQL revisions are called YYYYMMDDHHMMSS_lower_case_name.up.sql, and what undoes them .down.sql"
    assert problems(versions) == [
        f"versions/{A}_a.up.sql:1: revision id {A!r} is also used by versions/{A}_b.up.sql:1",
        f"versions/{A}_b.up.sql:1: revision id {A!r} is also used by versions/{A}_a.up.sql:1",
        f"versions/{B}_d.up.sql:1: {B} is also the timestamp of {B}_c.up.sql: give one of them another",
        f"versions/{C}_Bad.down.sql:1: {rule}",
        f"versions/{C}_Bad.up.sql:1: {rule}",
        f"versions/{C}_alone.down.sql:1: has no .up.sql of that name beside it",
        f"versions/{C}_latin.up.sql:1: line 1 is not UTF-8; save the file as UTF-8",
        f"versions/{D}_e.up.sql:1:1: a header knows no 'parnt'; did you mean parent?\n    {line}\n    ^",
        f"versions/{E}_f.up.sql:1: revision {E!r} names 'nobody' in parent, but no file holds that revision",
    ]
