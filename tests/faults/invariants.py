"""The eight things that must hold whatever happens; each is a function that returns what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote

import probed_chain
from command import HUNG
from statement_kinds import MIGRATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from command import Ended
    from looks import Look, Truth
    from wire import Statement

_REFUSALS = frozenset({2, 3, 5, 7, 75})
_SIGNALLED = {2: 130, 15: 143}


@dataclass
class Evidence:
    """What is known of one experiment.

    Attributes:
        way: ``up`` or ``down``.
        target: the version that the command is to reach; ``None`` for base.
        before: the database before the fault.
        after: right after it; ``None`` where the command was run again at once.
        again: after the same command was run again.
        third: after it was run a third time.
        codes: exit codes that are honest for the command that was struck, when it did not reach its target.
        runs: of the commands.
        spans: of each migrator, when its statements that migrate began and ended.
        latencies: of the application's queries, in seconds.
        harm_s: how long such a query may take.
        app_errors: what the application got instead of an answer and was not declared.
        third_statements: what the third run sent.
        secrets: what may be printed nowhere.
    """

    way: str
    target: str | None
    truth: Truth
    before: Look
    after: Look | None = None
    again: Look | None = None
    third: Look | None = None
    codes: frozenset[int] = frozenset({1})
    runs: list[Ended] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    harm_s: float = 5.0
    app_errors: list[str] = field(default_factory=list)
    third_statements: Sequence[Statement] = ()
    secrets: tuple[str, ...] = ()
    leaked: list[str] = field(default_factory=list)


def truth(evidence: Evidence) -> list[str]:
    """I1: catalogue and rows are a fault-free run's at the recorded revision and statement."""
    found = []
    for name, seen in (("after the fault", evidence.after), ("in the end", evidence.third)):
        if seen is not None and not _is_true(seen, evidence):
            allowed = evidence.truth.states[evidence.way, seen.version, 0]
            extra, missing = sorted(seen.state - allowed), sorted(allowed - seen.state)
            found.append(
                f"{name}: at {seen.version}, {seen.interrupted}: too much {extra}, too little {missing}"
            )
    return found


def _is_true(seen: Look, evidence: Evidence) -> bool:
    states, way = evidence.truth.states, evidence.way
    half = seen.interrupted
    if half is None:
        return seen.state == states[way, seen.version, 0]
    done = [states[way, seen.version, half.done]]
    if (
        half.begun > half.done
    ):  # it may have come to its end before it could be said, or have left an INVALID index
        done.append(states[way, seen.version, half.begun])
    left = {line for line in seen.state if line.startswith("index ") and not line.endswith("valid=t ready=t")}
    if seen.state in done:
        return True
    without = [{line for line in state if " book_title " not in line} for state in done]
    return half.begun > half.done and bool(left) and seen.state - left in without


def convergence(evidence: Evidence) -> list[str]:
    """I2: the same command again reaches its target; the third time it migrates nothing."""
    found = []
    for run, seen in zip(evidence.runs[-2:], (evidence.again, evidence.third), strict=True):
        if run.code != 0:
            found.append(f"{' '.join(run.words)} again: {run.code}: {run.err[-600:]}")
        if seen is not None and (seen.version != evidence.target or seen.interrupted):
            found.append(f"run again, it stands at {seen.version}, {seen.interrupted}")
    sent = [statement.sql for statement in evidence.third_statements if statement.kind in MIGRATES]
    return found + [f"the third run sent {sql}" for sql in sent]


def once(evidence: Evidence) -> list[str]:
    """I3: what each revision does once is there exactly once; what it did not do is not there."""
    found = []
    for name, seen in (("after the fault", evidence.after), ("in the end", evidence.third)):
        if seen is None:
            continue
        for revision in probed_chain.CHAIN:
            expected, got = _expected(seen, evidence, revision), seen.probe[revision, evidence.way]
            if got != expected:
                found.append(f"{name}: {revision} left {got} rows and not {expected}")
    return found


def _expected(seen: Look, evidence: Evidence, revision: str) -> int:
    ids = [*probed_chain.CHAIN]
    applied = 0 if seen.version is None else ids.index(seen.version) + 1
    position = ids.index(revision)
    done = position < applied if evidence.way == "up" else position >= applied
    half = seen.interrupted
    if half is not None and half.revision == revision:
        words = probed_chain.statements(revision, evidence.way)
        return int(half.done > next(at for at, sql in enumerate(words) if "INTO probe" in sql))
    return int(done)


def exclusion(evidence: Evidence) -> list[str]:
    """I4: no two migrators change the database at the same time."""
    spans = sorted(evidence.spans)
    return [
        f"one was at work until {end - start:.3f} s, another began at {later - start:.3f} s"
        for (start, end), (later, _) in pairwise(spans)
        if later < end
    ]


def no_leak(evidence: Evidence) -> list[str]:
    """I5: no advisory lock, no session of ours, no INVALID index is left once the command was run again."""
    found = [*evidence.leaked]
    for seen in (evidence.again, evidence.third):
        if seen is not None:
            found += [f"lock {it}" for it in seen.advisory_locks] + [f"session {it}" for it in seen.sessions]
            found += [f"index {it}" for it in seen.broken_indexes]
    return found


def bounded_harm(evidence: Evidence) -> list[str]:
    """I6: the application's queries wait no longer than was said, and get no error that was not declared."""
    worst = max(evidence.latencies, default=0.0)
    late = [f"a query took {worst:.2f} s"] if worst > evidence.harm_s else []
    return late + [f"the application got {error}" for error in evidence.app_errors]


def honest_exit(evidence: Evidence) -> list[str]:
    """I7: 0 if and only if it is where it should be, else the right class; no secret, no traceback."""
    found = []
    struck, seen = evidence.runs[0], evidence.after
    there = seen is not None and seen.version == evidence.target and seen.interrupted is None
    if struck.code == 0 and seen is not None and not there:
        found.append(f"exit 0 at {seen.version}")
    if struck.code not in {0, *evidence.codes}:
        found.append(f"exit {struck.code}: {struck.err[-800:]}")
    for run in evidence.runs:
        if run.code == HUNG:
            found.append(f"{' '.join(run.words)} hung")
        said = run.out + run.err
        found += [
            "a secret was printed"
            for secret in evidence.secrets
            if secret in said or quote(secret, "") in said
        ]
        if "Traceback" in said or "internal error" in said:
            found.append(f"a traceback or internal error: {said[-1500:]}")
    ledger = [attempt.row for attempt in (evidence.third.attempts or () if evidence.third else ())]
    found += ["a secret is in the ledger" for secret in evidence.secrets for row in ledger if secret in row]
    return found


def pure_refusal(evidence: Evidence) -> list[str]:
    """I8: what was refused changed nothing, not even by a version table."""
    struck, seen = evidence.runs[0], evidence.after
    if struck.code not in _REFUSALS or seen is None or seen.everything == evidence.before.everything:
        return []
    return [f"refused with {struck.code}, and yet: {seen.everything} where {evidence.before.everything} was"]


INVARIANTS: dict[str, Callable[[Evidence], list[str]]] = {
    "I1 truth": truth,
    "I2 convergence": convergence,
    "I3 once": once,
    "I4 exclusion": exclusion,
    "I5 no leak": no_leak,
    "I6 bounded harm": bounded_harm,
    "I7 honest exit": honest_exit,
    "I8 pure refusal": pure_refusal,
}


def violations(evidence: Evidence) -> dict[str, list[str]]:
    """What is wrong, by invariant."""
    return {name: found for name, check in INVARIANTS.items() if (found := check(evidence))}


def span(statements: Sequence[Statement]) -> list[tuple[float, float]]:
    """From the first statement that migrates to the last one's end; nothing where none does."""
    at_work = [it for it in statements if it.kind in MIGRATES]
    if not at_work:
        return []
    return [(at_work[0].sent, max(it.answered or it.sent for it in at_work))]


def code_of(signal: int) -> int:
    """The exit code of a command that a signal ended."""
    return _SIGNALLED[signal]
