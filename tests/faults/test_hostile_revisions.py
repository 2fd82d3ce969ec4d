"""Revisions that undo what the engine does around them: COMMIT, ROLLBACK, DISCARD ALL and their like.

Nothing may hang or be said untruly; afterwards, with the revision as it should be, the same command reaches
head.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import command
import looks
import probed_chain
import pytest
from extent import WHOLE, sample
from invariants import Evidence, violations
from laboratory import UP, Laboratory, later_runs, quiet, watching
from records import Record

if TYPE_CHECKING:
    from pathlib import Path

STATEMENTS = (
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "DISCARD ALL",
    "SELECT pg_advisory_unlock_all()",
    "SET ROLE pg_monitor",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET search_path = pg_catalog",
    "SET LOCAL search_path = pg_catalog",
    "SET lock_timeout = 0",
    "RESET ALL",
    "SET default_transaction_read_only = on",
    "SET TRANSACTION READ ONLY",
    "LISTEN something",
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SELECT pg_cancel_backend(pg_backend_pid())",
)

_ROADS = {"r4": "one that reads", "r6": "one message"}
_COMMITTED = {"COMMIT", "COMMIT AND CHAIN"}
"""What such a revision commits by itself is not survived: ``status`` says so, and a person puts it right."""
_BY_HAND = {
    "r4": "UPDATE book SET title = 'title'",
    "r6": "ALTER TABLE bystander DROP COLUMN IF EXISTS note",
}
_UNDONE = {"I1 truth", "I3 once"}


@pytest.mark.parametrize("revision", ["r4", "r6"])  # the one reads, the other goes in one message
@pytest.mark.parametrize("where", ["first", "last"] if WHOLE else ["last"])
@pytest.mark.parametrize("statement", sample(STATEMENTS, every=9))
@pytest.mark.sampled(2)
def test_a_hostile_statement_leaves_a_state_that_is_told(
    laboratory: Laboratory, statement: str, where: str, revision: str, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(laboratory.folder, folder)
    path = folder / "alembic" / "versions" / f"{revision}.py"
    text, call = path.read_text("utf-8"), f"    op.execute({statement!r})\n"
    begin, middle, end = text.partition("def upgrade():\n")
    body, gap, rest = end.partition("\n\n\n")
    changed = call + body + "\n" if where == "first" else f"{body}\n{call}"
    path.write_text(begin + middle + changed.rstrip("\n") + gap + rest, encoding="utf-8")
    with laboratory.database("up") as url, watching(url) as admin:
        codes = frozenset({1, 3, 8})
        evidence = Evidence(
            "up",
            probed_chain.HEAD,
            laboratory.truth,
            looks.look(admin),
            codes=codes,
            secrets=laboratory.secrets,
        )
        evidence.runs.append(command.run(folder, url, *UP))
        evidence.leaked += quiet(admin)
        evidence.after = looks.look(admin)
        status = command.run(folder, url, "status")
        assert status.code == 0, status.err
        if statement in _COMMITTED and evidence.runs[0].code:
            assert "dirty:" in status.out
        if "dirty:" in status.out:  # a person has looked, puts it right, and says so
            for undo in (_BY_HAND[revision], f"DELETE FROM probe WHERE revision = '{revision}'"):
                admin.execute(undo.encode())
            assert command.run(folder, url, "stamp", evidence.after.version or "base").code == 0
        applied = (evidence.after.version or "") >= revision  # then it stays as it was applied
        fit = replace(laboratory, folder=folder) if applied else laboratory
        later_runs(fit, evidence, url, admin)
    # Its step was refused, not the run: what came before it stays.
    forgiven = {"I8 pure refusal"} | (_UNDONE if statement in _COMMITTED else set())
    wrong = {name: found for name, found in violations(evidence).items() if name not in forgiven}
    code, at = evidence.runs[0].code, f"{where} in {_ROADS[revision]}"
    laboratory.records.add(Record(f"revision runs {statement}", at, "up", None, 0, code, wrong))
    assert wrong == {}, evidence.runs[0].err
