"""What is to be forgotten, and where the database stands afterwards, by table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headway.errors import RefusedError
from headway.planning import forgotten
from headway.results import Application, Operation
from headway.revisions import Graph, Revision


def graph(**parents: str) -> Graph:
    return Graph(
        Revision(id_, tuple(after.split()), (), (), id_, Path(f"{id_}.py"), 1)
        for id_, after in parents.items()
    )


def record(*ids: str) -> dict[str, Application]:
    when = datetime(2026, 11, 1, tzinfo=UTC)
    return {id_: Application(id_, Operation.UPGRADE, when, "u", "o", "h") for id_ in ids}


LINE = graph(a="", b="a")
FORK = graph(a="", b="a", c="a")


@pytest.mark.parametrize(
    ("revisions", "rows", "known", "ids", "meant", "after"),
    [
        (LINE, "x", "a b x", "", "x", "b"),
        (LINE, "x", "a x", "", "x", "a"),
        (LINE, "x", "x", "", "x", ""),
        (LINE, "b", "a b", "", "", "b"),
        (LINE, "b", "a b x", "x", "x", "b"),
        (FORK, "b x", "a b x", "", "x", "b"),
        (FORK, "b x y", "a b c x y", "x", "x", "b c y"),
        (FORK, "x y", "a b c x y", "", "x y", "b c"),
    ],
)
def test_a_forgotten_row_gives_way_to_what_the_ledger_knows(
    revisions: Graph, rows: str, known: str, ids: str, meant: str, after: str
) -> None:
    found = forgotten(revisions, rows.split(), record(*known.split()), ids.split())
    assert found == (tuple(meant.split()), tuple(after.split()))


@pytest.mark.parametrize(
    ("rows", "known", "ids", "words"),
    [
        ("b", "a b", "b", "its file is here"),
        ("b", "a b", "x", "it is not applied"),
        ("x", "a b", "", "the ledger does not know x"),
        ("b x", "", "", "the ledger does not know x"),
    ],
)
def test_what_cannot_be_forgotten_is_refused(rows: str, known: str, ids: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        forgotten(LINE, rows.split(), record(*known.split()), ids.split())
