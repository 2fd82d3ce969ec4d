"""What is remembered of a project's files: nothing, or just what their syntax trees say."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway import load_project, verdict
from headway.errors import GraphError
from headway.revisions import read_graph
from headway.verdict import NO_LEDGER, Verdict, keep, recall, view_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headway import Project


@pytest.fixture(autouse=True)
def _verdicts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "SETTLED_NS", -(10**15))  # each edit changes a size, a name or an inode
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def project_in(folder: Path) -> Project:
    (folder / "versions").mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    for number in range(3):
        write(folder / "versions", number, number - 1)
    return load_project(folder / "alembic.ini")


def write(versions: Path, number: int, parent: int) -> None:
    down = repr(f"r{parent}") if parent >= 0 else None
    (versions / f"r{number}.py").write_text(f"revision = 'r{number}'\ndown_revision = {down}\n")


def judged(project: Project) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """What the files say, parsed anew: what was kept of them goes."""
    for cache in project.version_locations[0].glob("__pycache__/headway-revisions*"):
        cache.unlink()
    try:
        graph = read_graph(project.version_locations)
    except GraphError:
        return None
    return graph.heads, {id_: revision.digest for id_, revision in graph.revisions.items()}


def kept(project: Project) -> Verdict:
    view = view_of(project)
    assert view is not None
    found = Verdict(read_graph(project.version_locations).heads, ("r2",), NO_LEDGER, "alembic_version", None)
    keep(project, view, found)
    return found


def edit(versions: Path, number: int) -> None:
    with (versions / f"r{number}.py").open("a") as file:
        file.write("# more\n")


def replace(versions: Path, number: int) -> None:
    """Another file with its name, its size and its time of change."""
    path, draft = versions / f"r{number}.py", versions / "draft"
    before = path.stat()
    draft.write_text(path.read_text().replace("revision", "rev1sion", 1))
    os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
    draft.replace(path)


EDITS: tuple[Callable[[Path, int], object], ...] = (
    edit,
    replace,
    lambda versions, number: (versions / f"r{number}.py").unlink(),
    lambda versions, number: (versions / f"r{number}.py").rename(versions / f"x{number}.py"),
    lambda versions, number: (versions / f"r{number}.py").touch(),
    lambda versions, number: write(versions, number + 3, number),
    lambda versions, number: (versions / f"note{number}.txt").write_text("no revision"),
    lambda versions, number: (versions / f"sub{number}").mkdir(),
    lambda versions, number: (versions / f"r{number}.py").chmod(0o600),
)


@given(st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 2), st.booleans()), max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_was_done_to_the_files_a_verdict_is_recalled_only_where_they_say_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[Callable[[Path, int], object], int, bool]],
) -> None:
    project = project_in(tmp_path_factory.mktemp("edited"))
    judgement, found = judged(project), kept(project)
    assert recall(project) == found
    for change, number, judge in edits:
        with suppress(OSError):
            change(project.version_locations[0], number)
        told = recall(project)
        assert told in {None, found}
        assert told is None or judged(project) == judgement
        if judge and view_of(project) is not None and (again := judged(project)) is not None:
            judgement, found = again, kept(project)
            assert recall(project) == found


def test_files_so_young_that_an_edit_could_look_the_same_have_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_in(tmp_path)
    monkeypatch.setattr(verdict, "SETTLED_NS", 10**15)
    kept(project)
    assert recall(project) is None


def test_a_file_from_the_future_has_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_in(tmp_path)
    monkeypatch.setattr(verdict, "SETTLED_NS", 0)
    os.utime(project.version_locations[0] / "r0.py", (2**32, 2**32))
    kept(project)
    assert recall(project) is None


def test_nothing_is_written_where_python_writes_no_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_in(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    kept(project)
    assert not list(tmp_path.rglob("headway-verdict*"))


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    (project.version_locations[0] / "__pycache__").write_text("not a folder")
    kept(project)
    assert recall(project) is None


@pytest.mark.parametrize("place", [*range(0, 250, 7)])
def test_a_verdict_that_was_cut_off_or_garbled_is_none(tmp_path: Path, place: int) -> None:
    project = project_in(tmp_path)
    kept(project)
    (path,) = tmp_path.rglob("headway-verdict")
    whole = path.read_bytes()
    place %= len(whole)
    for broken in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
        path.write_bytes(broken)
        assert recall(project) is None
    path.write_bytes(whole)
    assert recall(project) is not None


@pytest.mark.parametrize("name", ["version", "__file__"])
def test_another_python_or_headway_judges_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project = project_in(tmp_path)
    kept(project)
    if name == "version":
        monkeypatch.setattr(sys, name, f"{sys.version} another")
    else:
        monkeypatch.setattr(verdict, name, str(tmp_path / "alembic.ini"))
    assert recall(project) is None


@pytest.mark.parametrize(
    "option",
    [
        "version_locations = %(here)s/versions %(here)s/more",
        "recursive_version_locations = true",
        "sourceless = true",
    ],
)
def test_an_unusual_project_has_no_verdict(tmp_path: Path, option: str) -> None:
    project = project_in(tmp_path)
    assert view_of(project) is not None
    with (tmp_path / "alembic.ini").open("a") as file:
        file.write(f"{option}\n")
    assert view_of(load_project(tmp_path / "alembic.ini")) is None


@pytest.mark.parametrize("name", ["r9.SQL", "r9.sql"])
def test_sql_revisions_have_no_verdict(tmp_path: Path, name: str) -> None:
    project = project_in(tmp_path)
    (project.version_locations[0] / name).write_text("SELECT 1;")
    assert view_of(project) is None


def test_links_and_folders_that_are_missing_have_no_verdict(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    (project.version_locations[0] / "r9.py").symlink_to(project.version_locations[0] / "r0.py")
    assert view_of(project) is None
    shutil.rmtree(project.version_locations[0])
    assert view_of(project) is None


def test_a_file_from_before_1970_has_no_verdict(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    os.utime(project.version_locations[0] / "r0.py", (-5, -5))
    assert view_of(project) is None


def test_the_version_table_of_another_env_py_is_not_the_one_that_was_asked(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    kept(project)
    project.env_file.write_text("from headway import env\n\nenv.run(version_table='other')\n")
    assert recall(project) is None


def test_names_that_a_line_cannot_hold_are_not_kept(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    view = view_of(project)
    assert view is not None
    for name in ("", "two words", "a\nb"):
        keep(project, view, Verdict(("r2",), (name,), NO_LEDGER, "v", None))
        assert recall(project) is None
