"""Revision files are read, never run; what is wrong with them is said all at once."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory

from headway.errors import ExitCode, GraphError
from headway.revisions import Graph, Revision, read_graph, read_revisions
from headway.revisions.cache import FILE_NAME
from revision_files import write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    folder = tmp_path / "versions"
    folder.mkdir()
    return folder


def problems(folder: Path, **options: bool) -> list[str]:
    with pytest.raises(GraphError) as caught:
        read_graph([folder], **options)
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert caught.value.hint
    return list(caught.value.problems)


def only(folder: Path, source: str | bytes) -> Revision:
    (folder / "a1.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    (revision,) = read_graph([folder]).revisions.values()
    return revision


def test_a_file_is_read_and_never_run(versions: Path) -> None:
    source = (
        '"""  Add the things.\n\nRevision ID: a1\n"""\nimport nowhere\nraise SystemExit\n'
        'revision: str = "a1"\ndown_revision = None\nbranch_labels = ("shop", "till")\ndepends_on = []\n'
    )
    assert only(versions, source) == Revision(
        id="a1",
        parents=(),
        depends_on=(),
        labels=("shop", "till"),
        description="Add the things.",
        path=versions / "a1.py",
        line=7,
    )


@pytest.mark.parametrize(
    ("assignment", "parents"),
    [
        ("down_revision = None", ()),
        ("down_revision: str | None = 'x1'", ("x1",)),
        ("down_revision = ('x1', 'x2')", ("x1", "x2")),
        ("down_revision = ['x1', 'x2']", ("x1", "x2")),
        ("down_revision = {'x1'}", ("x1",)),
        ("down_revision = 'x' '1'", ("x1",)),
        ("down_revision = 'x' + '1'", ("x1",)),
        ("down_revision = ('x1',) + ('x2',)", ("x1", "x2")),
        ("down_revision = f'x1'", ("x1",)),
        ("down_revision = depends_on = 'x1'", ("x1",)),
        ("down_revision, depends_on = 'x1', None", ("x1",)),
        ("down_revision = 'x2'\ndown_revision = 'x1'", ("x1",)),
        ("down_revision = compute()\ndown_revision = 'x1'", ("x1",)),
        ("down_revision = 'x1'\ndef upgrade():\n    down_revision = compute()", ("x1",)),
        ("down_revision = 'x1'\nif True:\n    def upgrade():\n        revision = 1", ("x1",)),
    ],
)
def test_every_way_to_write_a_literal_is_understood(
    versions: Path, assignment: str, parents: tuple[str, ...]
) -> None:
    (versions / "a1.py").write_text(f"revision = 'a1'\n{assignment}\n")
    ((revision,), faults) = read_revisions([versions])
    assert (revision.parents, faults) == (parents, [])


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("revision = make_id()\ndown_revision = None\n", 1, "`revision` is computed"),
        ("revision = 'a1'\ndown_revision = PARENT\n", 2, "`down_revision` is computed"),
        ("revision = 'a1'\ndown_revision = f'{x}'\n", 2, "`down_revision` is computed"),
        ("revision = 'a1'\nif x:\n    down_revision = 'b'\n", 2, "`down_revision` is computed"),
        ("revision = 'a1'\nfrom m import down_revision\n", 2, "`down_revision` is computed"),
        ("revision = 'a1'\ndown_revision = 'b'\ndown_revision += 'c'\n", 3, "`down_revision` is computed"),
        ("revision = 'a1'\ndown_revision, x = pair\n", 2, "`down_revision` is computed"),
        ("revision = 'a1'\ndown_revision = 7\n", 2, "`down_revision` must be a string, a tuple"),
        ("revision = 'a1'\ndown_revision = ('b', 7)\n", 2, "`down_revision` must be a string, a tuple"),
        ("revision = 'a1'\ndown_revision = None\nbranch_labels = 7\n", 3, "`branch_labels` must be"),
        ("revision = None\ndown_revision = None\n", 1, "`revision` must be a string"),
        ("\nrevision = 'a1'\n", 2, "assigns no `down_revision`"),
        ("print('hello')\n", 1, "assigns no `revision`"),
        ("revision = 'a1'\n\ndown_revision = (\n", 3, "does not parse as Python"),
        ("revision = 'a1'\x00\n", 1, "does not parse as Python"),
        ("# coding: klingon\nrevision = 'a1'\n", 1, "does not parse as Python"),
        ("x = " + "(" * 5000 + ")" * 5000, 1, "does not parse as Python"),
    ],
)
def test_what_cannot_be_read_is_said_by_file_and_line(
    versions: Path, source: str, line: int, message: str
) -> None:
    (versions / "2024_thing.py").write_text(source)
    (problem,) = problems(versions)
    assert problem.startswith(f"versions/2024_thing.py:{line}: ")
    assert message in problem


@pytest.mark.parametrize(
    "source",
    [
        b'\xef\xbb\xbf"""Caf\xc3\xa9"""\r\nrevision = \'a1\'\r\ndown_revision = None\r\n',
        b'# coding: latin-1\n"""Caf\xe9"""\nrevision = \'a1\'\ndown_revision = None\n',
    ],
)
def test_encodings_byte_order_marks_and_line_ends_are_read_as_python_reads_them(
    versions: Path, source: bytes
) -> None:
    assert only(versions, source).description == "Café"


def test_an_invalid_escape_in_a_file_gives_no_warning(versions: Path) -> None:
    assert only(versions, "revision = 'a1'\ndown_revision = None\nx = '\\d'\n").id == "a1"


def test_the_files_that_count_are_those_that_count_for_alembic(versions: Path) -> None:
    write(versions, "b2_second.py", "b2", "a1")
    write(versions, "a1_first.py", "a1")
    write(versions, ".hidden.py", "c3", "b2")
    (versions / "__init__.py").write_text("")
    (versions / "__init__extra.py").write_text("")
    (versions / ".#b2_second.py").symlink_to("nobody@nowhere")
    (versions / "notes.txt").write_text("")
    (versions / "a1_first.pyc").write_bytes(b"")
    (versions / "sub").mkdir()
    write(versions / "sub", "d4.py", "d4", "b2")
    (versions / "d5abc.py").write_text("down_revision = 'b2'\n")  # no `revision`: the name is the id
    for recursive in (False, True):
        alembic = ScriptDirectory(
            str(versions.parent), version_locations=[str(versions)], recursive_version_locations=recursive
        )
        theirs = {script.revision: script.path for script in alembic.walk_revisions()}
        ours = read_graph([versions], recursive=recursive).revisions
        assert {id_: str(revision.path) for id_, revision in ours.items()} == theirs
        assert len(ours) == (5 if recursive else 4)


def test_one_file_reached_twice_counts_once(versions: Path) -> None:
    real = write(versions, "a1.py", "a1")
    (versions / "link.py").symlink_to(real)
    assert list(read_graph([versions, versions]).revisions) == ["a1"]


def test_no_files_and_no_folder_make_an_empty_graph(versions: Path) -> None:
    graph = read_graph([versions, versions / "missing"])
    assert (len(graph), graph.heads, graph.bases, graph.tips) == (0, (), (), ())
    assert "a1" not in graph


def test_bytecode_without_source_is_reported_only_when_alembic_would_run_it(versions: Path) -> None:
    write(versions, "a1.py", "a1")
    (versions / "a1.pyc").write_bytes(b"")
    (versions / "b2.pyc").write_bytes(b"")
    cache = versions / "__pycache__"
    cache.mkdir()
    (cache / "a1.cpython-311.pyc").write_bytes(b"")
    (cache / "c3.cpython-311.pyc").write_bytes(b"")
    assert list(read_graph([versions]).revisions) == ["a1"]
    found = problems(versions, sourceless=True)
    assert [problem.partition(":")[0] for problem in found] == [
        "versions/__pycache__/c3.cpython-311.pyc",
        "versions/b2.pyc",
    ]
    assert all("only its bytecode is here" in problem for problem in found)


LONG = "x" * 33
EVERYTHING_WRONG = f"""\
versions/01.py:3: revision id 'same' is also used by versions/02.py:3
versions/02.py:3: revision id 'same' is also used by versions/01.py:3
versions/03.py:3: revision 'orphan' names 'nobody' in down_revision, but no file holds that revision
versions/03.py:3: revision 'orphan' names 'nothing' in depends_on, but no file holds that revision
versions/04.py:3: the revisions go round in a circle: \
loop1 (versions/04.py) -> loop3 (versions/06.py) -> loop2 (versions/05.py) -> loop1
versions/07.py:3: revision 'self1' has itself as parent or dependency
versions/08.py:3: revision id '{LONG}' has 33 characters; the version table's column holds 32
versions/09.py:3: revision id 'a-b@c' holds '-@'; @ - + : belong to the notation of identifiers
versions/10.py:3: branch label 'mine' is already used by revision 'same' (versions/01.py)
versions/10.py:3: branch label 'same' is also the id of a revision (versions/01.py)
versions/10.py:3: revision id 'head' is a reserved word and could never be named in a command
versions/11.py:3: revision 'labelled' names 'mine' in down_revision, but no file holds that revision; \
it is a branch label, of revision 'same'"""


def test_everything_wrong_is_listed_at_once_with_file_and_line(versions: Path) -> None:
    write(versions, "01.py", "same", more="branch_labels = 'mine'\n")
    write(versions, "02.py", "same")
    write(versions, "03.py", "orphan", "nobody", more="depends_on = ('nothing', 'mine')\n")
    write(versions, "04.py", "loop1", "loop3")
    write(versions, "05.py", "loop2", "loop1")
    write(versions, "06.py", "loop3", "loop2")
    write(versions, "07.py", "self1", "self1")
    write(versions, "08.py", LONG)
    write(versions, "09.py", "a-b@c")
    write(versions, "10.py", "head", more="branch_labels = ('mine', 'same')\n")
    write(versions, "11.py", "labelled", "mine")
    (versions / "12.py").write_text("def\n")
    write(versions, "13.py", "below_loop", "loop1")
    found = "\n".join(problems(versions))
    *rest, syntax = found.splitlines()
    assert rest == EVERYTHING_WRONG.split("\n")
    assert syntax.startswith("versions/12.py:1: does not parse as Python: ")


def test_two_circles_and_one_through_a_label_are_all_reported(versions: Path) -> None:
    write(versions, "1.py", "a1", None, "depends_on = 'shop'\n")
    write(versions, "2.py", "a2", "a1", "branch_labels = 'shop'\n")
    write(versions, "3.py", "b1", "b2")
    write(versions, "4.py", "b2", "b1")
    write(versions, "5.py", "c1", None, "branch_labels = 'own'\ndepends_on = 'own'\n")
    found = problems(versions)
    assert [problem.partition(": ")[2].partition(":")[0][:40] for problem in found] == [
        "the revisions go round in a circle",
        "the revisions go round in a circle",
        "revision 'c1' has itself as parent or de",
    ]


def test_the_children_of_a_file_that_does_not_parse_are_not_blamed(versions: Path) -> None:
    (versions / "2024_aaaa1_first.py").write_text("def\n")
    write(versions, "2024_bbbb2_second.py", "bbbb2", "aaaa1")
    assert len(problems(versions)) == 1


def test_a_longer_version_column_takes_a_longer_id(versions: Path) -> None:
    write(versions, "a.py", "x" * 40)
    assert len(read_graph([versions], version_column_length=40)) == 1


def test_a_path_outside_the_current_folder_is_shown_whole(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (versions / "a.py").write_text("def\n")
    elsewhere = versions.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert problems(versions)[0].startswith(f"{versions}/a.py:1: ")


def test_a_file_that_vanished_or_is_a_dead_link_is_reported(versions: Path) -> None:
    (versions / "a.py").symlink_to("nowhere.py")
    assert "cannot be read: No such file" in problems(versions)[0]


def test_several_heads_are_no_fault_and_heads_tips_and_bases_tell_the_edges_apart(versions: Path) -> None:
    write(versions, "1.py", "a1", more="branch_labels = 'core'\n")
    write(versions, "2.py", "a2", "a1")
    write(versions, "3.py", "b1", more="depends_on = 'core'\n")
    write(versions, "4.py", "b2", "b1", more="depends_on = ('a2', 'a1')\n")
    graph = read_graph([versions])
    assert list(graph.revisions) == ["a1", "a2", "b1", "b2"]
    assert (graph.heads, graph.tips, graph.bases) == (("a2", "b2"), ("b2",), ("a1", "b1"))
    assert graph.parents_of("b2") == ("b1", "a2", "a1")
    assert graph.ancestors(["b1"]) == {"b1", "a1"}
    assert graph.descendants(["a2"]) == {"a2", "b2"}
    assert graph.line("a1") == {"a1", "a2"}
    assert graph.labels == {"core": "a1"}


def test_a_graph_of_broken_revisions_cannot_be_made(versions: Path) -> None:
    with pytest.raises(GraphError, match="nobody"):
        Graph([Revision("a1", ("nobody",), (), (), "", versions / "a1.py", 1)])


# The cache.


def cached(versions: Path) -> Path:
    return versions / "__pycache__" / FILE_NAME


def test_unchanged_files_are_taken_from_the_cache_and_changed_ones_are_not(versions: Path) -> None:
    write(versions, "a1.py", "a1")
    write(versions, "b2.py", "b2", "a1")
    first = read_graph([versions])
    content = json.loads(cached(versions).read_text())
    assert len(content["files"]) == 2
    for entry in content["files"].values():
        entry[5] = "from the cache"
    cached(versions).write_text(json.dumps(content))
    write(versions, "b2.py", "b2", "a1", "# changed\n")
    again = read_graph([versions])
    assert [revision.description for revision in first.revisions.values()] == ["Do a1.", "Do b2."]
    assert [revision.description for revision in again.revisions.values()] == ["from the cache", "Do b2."]
    assert len(json.loads(cached(versions).read_text())["files"]) == 2


def test_a_vanished_file_leaves_the_cache(versions: Path) -> None:
    write(versions, "a1.py", "a1")
    gone = write(versions, "b2.py", "b2", "a1")
    read_graph([versions])
    gone.unlink()
    read_graph([versions])
    assert len(json.loads(cached(versions).read_text())["files"]) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"format": 0, "files": {}}',
        b'{"format": 2, "files": []}',
        b"[" * 100_000,
    ],
)
def test_a_broken_or_foreign_cache_is_ignored_and_made_anew(versions: Path, content: bytes) -> None:
    write(versions, "a1.py", "a1")
    cached(versions).parent.mkdir()
    cached(versions).write_bytes(content)
    assert list(read_graph([versions]).revisions) == ["a1"]
    assert json.loads(cached(versions).read_text())["format"] == 2


def test_entries_of_another_format_are_not_believed(versions: Path) -> None:
    write(versions, "a1.py", "a1")
    read_graph([versions])
    stored = cached(versions).read_text()
    cached(versions).write_text(stored.replace('"format": 2', '"format": 0').replace("Do a1", "No a1"))
    assert [revision.description for revision in read_graph([versions]).revisions.values()] == ["Do a1."]


@pytest.mark.parametrize(
    "entry", [None, 7, [], ["a1"], ["a1", 1, [7], [], [], ""], [["a1"], 1, [], [], [], ""]]
)
def test_a_broken_entry_is_read_anew(versions: Path, entry: object) -> None:
    write(versions, "a1.py", "a1")
    read_graph([versions])
    content = json.loads(cached(versions).read_text())
    whole = dict(content["files"])
    content["files"] = dict.fromkeys(content["files"], entry)
    cached(versions).write_text(json.dumps(content))
    assert list(read_graph([versions]).revisions) == ["a1"]
    assert json.loads(cached(versions).read_text())["files"] == whole


def test_no_cache_is_written_where_python_writes_no_bytecode(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(versions, "a1.py", "a1")
    assert len(read_graph([versions])) == 1
    assert not cached(versions).parent.exists()


def test_the_cache_lives_where_python_keeps_its_own(
    versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "elsewhere"))
    write(versions, "a1.py", "a1")
    read_graph([versions])
    assert not cached(versions).parent.exists()
    assert [path.name for path in (tmp_path / "elsewhere").rglob("*.json")] == [FILE_NAME]


def test_a_cache_that_cannot_be_written_is_no_error(versions: Path) -> None:
    write(versions, "a1.py", "a1")
    cached(versions).mkdir(parents=True)  # a folder in its place: neither readable nor replaceable
    assert len(read_graph([versions])) == 1
    assert [path.name for path in cached(versions).parent.iterdir()] == [FILE_NAME]


def test_files_with_faults_are_never_cached(versions: Path) -> None:
    write(versions, "a1.py", "a1")
    (versions / "b2.py").write_text("revision = 'b2'\ndown_revision = PARENT\n")
    assert problems(versions) == problems(versions)
    assert len(json.loads(cached(versions).read_text())["files"]) == 1


def test_a_file_that_has_not_changed_since_it_was_read_is_not_opened_again(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.revisions.cache.SETTLED_NS", -(10**12))  # a new file is settled at once
    path = versions / "a1.py"
    path.write_text("revision = 'a1'\ndown_revision = None\n")
    first = read_graph([versions]).revisions["a1"]
    opened: list[str] = []
    real = open

    def noted(file: str, *arguments: object, **options: object) -> object:
        opened.append(str(file))
        return real(file, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("headway.revisions.reading.open", noted, raising=False)
    again = read_graph([versions]).revisions["a1"]
    assert (opened, again, again.digest) == ([], first, first.digest)
    path.write_text("revision = 'a2'\ndown_revision = None\n")  # as long as before
    os.utime(path, ns=(0, 0))
    assert list(read_graph([versions]).revisions) == ["a2"]
    assert opened == [str(path)]


def test_a_file_that_was_just_written_is_read_again_whatever_its_times_say(versions: Path) -> None:
    path = versions / "a1.py"
    for id_ in ("a1", "a2", "a3"):
        path.write_text(f"revision = '{id_}'\ndown_revision = None\n")
        os.utime(path, ns=(0, 0))
        assert list(read_graph([versions]).revisions) == [id_]
