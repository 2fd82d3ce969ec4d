"""Sealed plans: the same bytes for the same plan, and every way in which one is not to be run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from headway import (
    Direction,
    Finding,
    LockMode,
    Loss,
    PlanMovedError,
    RefusedError,
    RelationLock,
    SealedPlan,
    Severity,
    StatementReview,
    StepReview,
)
from headway.planning import Imprint, moved, plan_downgrade, plan_upgrade, seal, still_sealed
from headway.revisions import read_graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headway.revisions import Graph

_IMPRINT = Imprint(
    "postgresql://app:***@db/shop", "shop", "7300", {"table public.t": "aa", "enum public.e": "bb"}
)


def _write(folder: Path, id_: str, parent: str | None, body: str = "pass") -> Path:
    path = folder / f"{id_}.py"
    path.write_text(
        f'"""{id_}"""\nrevision = {id_!r}\ndown_revision = {parent!r}\n\n'
        f"def upgrade():\n    {body}\n\ndef downgrade():\n    {body}\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Revisions r1, r2, r3 in a row."""
    _write(tmp_path, "r1", None)
    _write(tmp_path, "r2", "r1")
    _write(tmp_path, "r3", "r2")
    return tmp_path


def _graph(folder: Path) -> Graph:
    return read_graph((folder,), recursive=False, sourceless=False)


def _sealed(folder: Path, target: str = "head", rows: tuple[str, ...] = ("r1",)) -> SealedPlan:
    graph = _graph(folder)
    plan = plan_upgrade(graph, rows, target)
    reviews = [
        StepReview(
            step.revision,
            step.direction,
            step.description,
            step.path,
            statements=(
                StatementReview(
                    1,
                    "ALTER ROLE app PASSWORD 'hunter2'",
                    locks=(RelationLock("t", "table", LockMode.SHARE),),
                    scanned=("t",),
                ),
            ),
            losses=(Loss(step.revision, "table", "t", 12, 8192),),
            findings=(Finding("drop-table", Severity.ERROR, step.revision, step.path, 3, 1, "t goes"),),
        )
        for step in plan.steps
    ]
    return seal(plan, target, graph, _IMPRINT, reviews)


def test_the_same_plan_is_the_same_bytes_wherever_the_files_are(folder: Path, tmp_path: Path) -> None:
    written = _sealed(folder).render()
    other = tmp_path / "elsewhere"
    other.mkdir()
    for path in folder.glob("*.py"):
        (other / path.name).write_bytes(path.read_bytes())
    assert _sealed(other).render() == written
    assert str(folder) not in written


def test_it_reads_back_as_it_was_written_and_holds_the_facts_without_what_never_stands_still(
    folder: Path,
) -> None:
    sealed = _sealed(folder)
    assert SealedPlan.read(sealed.render()) == sealed
    facts = sealed.steps[0].facts
    assert facts["statements"][0]["locks"] == [{"relation": "t", "kind": "table", "mode": "ShareLock"}]
    assert facts["statements"][0]["effort"] == "scan"
    assert facts["losses"] == [{"revision": "r2", "kind": "table", "what": "t"}]
    assert facts["findings"][0]["rule"] == "drop-table"
    assert "hunter2" not in sealed.render()


def test_what_has_not_moved_is_run_as_it_was_planned(folder: Path) -> None:
    graph = _graph(folder)
    # Of its name only a part tells who it is: another role's masked URL is another one.
    here = replace(_IMPRINT, name="postgresql://owner:***@direct/shop")
    plan = still_sealed(_sealed(folder), graph, ["r1"], here, Direction.UPGRADE)
    assert plan == plan_upgrade(graph, ["r1"], "head")


def test_comments_and_formatting_move_nothing(folder: Path) -> None:
    sealed = _sealed(folder)
    path = folder / "r2.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\n# a word\n", encoding="utf-8")
    assert moved(sealed, _graph(folder), ["r1"], _IMPRINT) == ()


def _edited(folder: Path) -> None:
    _write(folder, "r2", "r1", "print()")


def _reparented(folder: Path) -> None:
    _write(folder, "r2", None)
    _write(folder, "r1", "r2")


def _removed(folder: Path) -> None:
    (folder / "r2.py").unlink()
    _write(folder, "r3", "r1")


def _longer(folder: Path) -> None:
    _write(folder, "r4", "r3")


def _branched(folder: Path) -> None:
    _write(folder, "r9", "r1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_edited, ["revision r2 was edited"]),
        (
            _reparented,
            [
                "revision r2 comes after base; it came after r1",
                "revision r3 comes after r2",
                "the way to head",
            ],
        ),
        (
            _removed,
            ["revision r2 is not among the files any more", "revision r3 comes after r1; it came after r2"],
        ),
        (_longer, ["the way to head leads through r4 as well"]),
        (_branched, ["the way to head cannot be planned any more: "]),
    ],
)
def test_revisions_that_moved_are_named(
    folder: Path, change: Callable[[Path], None], said: list[str]
) -> None:
    sealed = _sealed(folder)
    change(folder)
    found = moved(sealed, _graph(folder), ["r1"], _IMPRINT)
    assert found
    for line in found:
        assert any(line.startswith(each) for each in said), line


def test_a_new_revision_that_is_not_on_the_way_moves_nothing(folder: Path) -> None:
    sealed = _sealed(folder, target="r3")
    _longer(folder)
    assert moved(sealed, _graph(folder), ["r1"], _IMPRINT) == ()


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([], "the database is at base, and the plan begins at r1"),
        (["r2"], "the database is at r2, and the plan begins at r1"),
        (["r3"], "the database is at r3, where the plan leads: it was run already"),
    ],
)
def test_version_rows_that_moved_are_named(folder: Path, rows: list[str], line: str) -> None:
    assert moved(_sealed(folder), _graph(folder), rows, _IMPRINT) == (line,)


@pytest.mark.parametrize(
    ("imprint", "line"),
    [
        (
            replace(_IMPRINT, name="here", system="7301"),
            "this is another database: here, and the plan was made for postgresql://app:***@db/shop",
        ),
        (replace(_IMPRINT, database="shop2"), "this is another database: "),
        (replace(_IMPRINT, name="here", system=None), "this is another database: here"),
        (
            replace(_IMPRINT, objects={**_IMPRINT.objects, "table a.b": "x"}),
            "table a.b is new in the database",
        ),
        (replace(_IMPRINT, objects={"table public.t": "aa"}), "enum public.e is gone from the database"),
        (replace(_IMPRINT, objects={**_IMPRINT.objects, "enum public.e": "x"}), "enum public.e has changed"),
    ],
)
def test_a_database_that_moved_is_named(folder: Path, imprint: Imprint, line: str) -> None:
    [found] = moved(_sealed(folder), _graph(folder), ["r1"], imprint)
    assert found.startswith(line)


def test_a_server_that_does_not_tell_who_it_is_is_known_by_its_name(folder: Path) -> None:
    assert moved(_sealed(folder), _graph(folder), ["r1"], replace(_IMPRINT, system=None)) == ()


def test_all_that_moved_is_said_at_once(folder: Path) -> None:
    sealed = _sealed(folder)
    _edited(folder)
    with pytest.raises(PlanMovedError) as caught:
        still_sealed(sealed, _graph(folder), [], replace(_IMPRINT, objects={}), Direction.UPGRADE)
    assert len(caught.value.moved) == 4
    assert all(line in str(caught.value) for line in caught.value.moved)


def test_a_plan_of_the_other_direction_is_refused(folder: Path) -> None:
    with pytest.raises(RefusedError, match="is made for `headway upgrade`, and not for `headway downgrade`"):
        still_sealed(_sealed(folder), _graph(folder), ["r1"], _IMPRINT, Direction.DOWNGRADE)


def test_the_way_back_is_sealed_alike(folder: Path) -> None:
    graph = _graph(folder)
    plan = plan_downgrade(graph, ["r3"], "-2")
    reviews = [StepReview(it.revision, it.direction, it.description, it.path) for it in plan.steps]
    sealed = SealedPlan.read(seal(plan, "-2", graph, _IMPRINT, reviews).render())
    assert still_sealed(sealed, graph, ["r3"], _IMPRINT, Direction.DOWNGRADE) == plan


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _paths(item, (*path, key))]
    if isinstance(value, list) and value:
        return [found for key, item in enumerate(value) for found in _paths(item, (*path, key))]
    return [path]


def test_a_file_with_anything_changed_in_it_is_refused(folder: Path) -> None:
    written = _sealed(folder).render()
    paths = _paths(json.loads(written))
    assert len(paths) > 50
    for path in paths:
        content = json.loads(written)
        place = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "tampered"
        with pytest.raises(RefusedError, match=r"not as it was written|is a plan of format"):
            SealedPlan.read(json.dumps(content), source="plan.json")
        del place[path[-1]]
        with pytest.raises(RefusedError, match=r"not as it was written|is a plan of format|is no plan"):
            SealedPlan.read(json.dumps(content), source="plan.json")


def _resealed(content: dict[str, Any]) -> str:
    content.pop("checksum")
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps({**content, "checksum": hashlib.sha256(written.encode()).hexdigest()})


@pytest.mark.parametrize(
    "mutilate",
    [
        lambda it: it.pop("target"),
        lambda it: it.update(direction="sideways"),
        lambda it: it.update(steps=[{}]),
        lambda it: it.update(steps=7),
        lambda it: it.update(before="r1"),
        lambda it: it["steps"][0].update(facts=[]),
        lambda it: it["steps"][0].update(checksum=3),
        lambda it: it["database"].update(objects=[]),
        lambda it: it["database"].update(name=None),
    ],
)
def test_a_file_of_another_shape_is_refused_in_words(
    folder: Path, mutilate: Callable[[dict[str, Any]], None]
) -> None:
    content = json.loads(_sealed(folder).render())
    mutilate(content)
    with pytest.raises(RefusedError, match=r"^plan.json lacks something that a plan has"):
        SealedPlan.read(_resealed(content), source="plan.json")


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "not json", '{"format_version": 1}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match=r"^plan.json is no plan that `headway plan --out` has written"):
        SealedPlan.read(text, source="plan.json")


def test_a_plan_of_a_later_format_is_refused(folder: Path) -> None:
    content = json.loads(_sealed(folder).render()) | {"format_version": 2}
    with pytest.raises(RefusedError, match="is a plan of format 2, and this headway reads 1"):
        SealedPlan.read(_resealed(content), source="plan.json")
