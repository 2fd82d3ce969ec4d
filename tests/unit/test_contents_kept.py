"""What a revision file does is fingerprinted once: kept by content, and never needed."""

from __future__ import annotations

import ast
import json
import sys
from typing import TYPE_CHECKING

import pytest

from headway.integrity import content, fingerprint
from headway.revisions import read_graph
from headway.revisions.contents import FILE_NAME
from revision_files import write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    folder = tmp_path / "versions"
    folder.mkdir()
    return folder


def contents(versions: Path) -> Path:
    return versions / "__pycache__" / FILE_NAME


def test_a_file_that_was_fingerprinted_here_is_not_parsed_again(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(versions, "a1.py", "a1", more="def upgrade():\n    op.execute('one')\n")
    write(versions, "b2.py", "b2", "a1")
    first = read_graph([versions])
    before = first.fingerprints(first.revisions)
    first.keep_fingerprints()
    write(versions, "b2.py", "b2", "a1", "# changed\n")
    again = read_graph([versions])
    parsed: list[bytes] = []

    def noted(source: bytes) -> ast.Module:
        parsed.append(source)
        return ast.parse(source)

    monkeypatch.setattr("headway.integrity.tree_of", noted)
    after = again.fingerprints(again.revisions)
    links: dict[str, list[str]] = {"a1": [], "b2": ["a1"]}
    assert parsed == [(versions / "b2.py").read_bytes()]
    assert after["a1"] == before["a1"]
    assert after == {id_: str(fingerprint(versions / f"{id_}.py", parents)) for id_, parents in links.items()}


def test_fingerprints_of_files_that_are_gone_are_not_kept(versions: Path) -> None:
    write(versions, "a1.py", "a1")
    gone = write(versions, "b2.py", "b2", "a1")
    first = read_graph([versions])
    first.fingerprints(first.revisions)
    first.keep_fingerprints()
    assert len(json.loads(contents(versions).read_text())["contents"]) == 2
    gone.unlink()
    second = read_graph([versions])
    second.fingerprints(second.revisions)
    second.keep_fingerprints()
    assert len(json.loads(contents(versions).read_text())["contents"]) == 1


@pytest.mark.parametrize(
    "kept", ["", "[", "{}", '{"format": 0, "contents": {}}', '{"format": 1, "contents": []}']
)
def test_fingerprints_are_taken_anew_where_what_was_kept_cannot_be_read(versions: Path, kept: str) -> None:
    path = write(versions, "a1.py", "a1")
    contents(versions).parent.mkdir(exist_ok=True)
    contents(versions).write_text(kept)
    graph = read_graph([versions])
    assert graph.fingerprint("a1") == str(fingerprint(path, ()))
    graph.keep_fingerprints()
    assert len(json.loads(contents(versions).read_text())["contents"]) == 1


def test_no_fingerprint_is_kept_where_python_keeps_no_bytecode(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(versions, "a1.py", "a1")
    graph = read_graph([versions])
    assert graph.fingerprint("a1")
    graph.keep_fingerprints()
    assert not contents(versions).parent.exists()


def test_what_this_python_cannot_parse_is_no_fingerprint_to_keep() -> None:
    known: dict[str, str] = {}
    assert content(b"def :", known) == content(b"def :")
    assert not known
