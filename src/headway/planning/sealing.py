"""Plans on paper: made and read over on one day, run on another, and then exactly as they were made.

A sealed plan holds what it was made from: the revisions' checksums, the version rows, and what the database
looked like. Whatever of it has moved since is named. Its own checksum shows that a file was changed by
accident; who may write the file can write a checksum too, so it is no signature.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, PlanMovedError, RefusedError
from headway.integrity import Fingerprint
from headway.planning.plan import Plan, Step, plan_downgrade, plan_upgrade
from headway.results import Direction
from headway.sqltext import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from headway.results import StepReview
    from headway.revisions import Graph

FORMAT_VERSION = 1
"""Raised when a key is renamed, removed or changes its meaning."""

_LISTS = ("statements", "losses", "findings")
_NOT_KEPT = frozenset({"path", "direction"})
"""Of a step's facts: where its file is differs from one machine to the next; the plan has one direction."""


@dataclass(frozen=True, slots=True)
class Imprint:
    """A database as a sealed plan knows it again.

    Attributes:
        name: masked, for people.
        database: its own name.
        system: the server's system identifier; ``None`` where the server does not tell.
        objects: a hash of each table, enum, sequence and extension, by kind and name.
    """

    name: str
    database: str
    system: str | None
    objects: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SealedStep:
    """A step as it was planned.

    Attributes:
        revision: its id.
        parents: what it comes after.
        before: the version rows before it.
        after: those after it.
        checksum: of its file, as the ledger keeps it; ``None`` when the file could not be read.
        facts: what was known of it: description, statements with their locks, losses, findings.
    """

    revision: str
    parents: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    checksum: str | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SealedPlan:
    """A plan that runs as it was made, or not at all.

    Attributes:
        direction: which way.
        target: where to, as it was asked for.
        before: the version rows it begins at.
        after: those it leads to.
        database: what it was made for.
        steps: in order; none when there was nothing to do.
    """

    direction: Direction
    target: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    database: Imprint
    steps: tuple[SealedStep, ...]

    @property
    def checksum(self) -> str:
        """SHA-256 of all it says, in hexadecimal."""
        return _checksum(self._content())

    def render(self) -> str:
        """As a file: JSON, in ASCII, the same bytes for the same plan."""
        return json.dumps({"checksum": self.checksum, **self._content()}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def read(cls, text: str, *, source: str = "the plan") -> SealedPlan:
        """The reverse of ``render``.

        Args:
            text: the file's content.
            source: what to call it in an error.

        Raises:
            RefusedError: it is no sealed plan, of another format, or not as it was written.
        """
        content = _loaded(text, source)
        try:
            return cls._of(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"{source} lacks something that a plan has ({type(error).__name__}: {error})"
        raise _unreadable(problem)

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> SealedPlan:
        database = content["database"]
        return cls(
            Direction(content["direction"]),
            _text(content["target"]),
            _texts(content["before"]),
            _texts(content["after"]),
            Imprint(
                _text(database["name"]),
                _text(database["database"]),
                None if database["system"] is None else _text(database["system"]),
                {_text(name): _text(hash_) for name, hash_ in database["objects"].items()},
            ),
            tuple(map(_step, content["steps"])),
        )

    def _content(self) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        hashes = plain["database"]["objects"]
        return {**plain, "format_version": FORMAT_VERSION, "catalogue": _checksum(hashes)}


def seal(
    plan: Plan, target: str, graph: Graph, database: Imprint, reviews: Sequence[StepReview]
) -> SealedPlan:
    """Seal a plan.

    Args:
        plan: what to run.
        target: where to, as it was asked for.
        graph: this checkout's revisions, whose files are read.
        database: what it was made for.
        reviews: what is known of each step, in order; sizes are left out, for they never stand still.
    """
    steps = [
        SealedStep(
            step.revision,
            step.parents,
            step.before,
            step.after,
            graph.fingerprint(step.revision),
            _facts(review),
        )
        for step, review in zip(plan.steps, reviews, strict=True)
    ]
    return SealedPlan(plan.direction, target, plan.before, plan.after, database, tuple(steps))


def still_sealed(
    sealed: SealedPlan, graph: Graph, rows: Iterable[str], database: Imprint, direction: Direction
) -> Plan:
    """The plan to run, if it is one of this direction and nothing that it was made from has moved.

    Raises:
        PlanMovedError: something has; says what, all of it.
        RefusedError: it goes the other way.
    """
    if sealed.direction is not direction:
        raise RefusedError(
            f"this plan is made for `headway {sealed.direction.value}`, and not for `headway "
            f"{direction.value}`. Nothing was changed.",
            hint=f"`headway {sealed.direction.value} --plan FILE` runs it.",
        )
    found = moved(sealed, graph, rows, database)
    if found:
        raise PlanMovedError(
            "this plan is not to be run, for what it was made from has moved; nothing was changed",
            found,
            hint="Make it anew: `headway plan --out FILE`, and read it over.",
        )
    return _opened(sealed, graph)


def moved(sealed: SealedPlan, graph: Graph, rows: Iterable[str], database: Imprint) -> tuple[str, ...]:
    """What is not as it was when the plan was made, one line each; empty when all is.

    Args:
        sealed: the plan.
        graph: this checkout's revisions, whose files are read.
        rows: of the version table, now.
        database: it, now.
    """
    return (
        *_moved_database(sealed.database, database),
        *_moved_rows(sealed, frozenset(rows)),
        *_moved_revisions(sealed, graph),
        *_moved_objects(sealed.database.objects, database.objects),
    )


def _opened(sealed: SealedPlan, graph: Graph) -> Plan:
    steps = [
        Step(
            step.revision,
            sealed.direction,
            graph.revisions[step.revision].description,
            graph.revisions[step.revision].path,
            step.before,
            step.after,
            step.parents,
        )
        for step in sealed.steps
    ]
    return Plan(sealed.direction, tuple(steps), sealed.before, sealed.after)


def _moved_database(then: Imprint, now: Imprint) -> Iterator[str]:
    # A name says little where the server tells who it is: roles and hosts of one database may differ.
    told = then.system is not None and now.system is not None
    same = then.system == now.system if told else then.name == now.name
    if not same or then.database != now.database:
        yield f"this is another database: {now.name}, and the plan was made for {then.name}"


def _moved_rows(sealed: SealedPlan, rows: frozenset[str]) -> Iterator[str]:
    if rows == frozenset(sealed.before):
        return
    where = f"the database is at {_listed(rows)}"
    if rows == frozenset(sealed.after):
        yield f"{where}, where the plan leads: it was run already"
    else:
        yield f"{where}, and the plan begins at {_listed(sealed.before)}"


def _moved_revisions(sealed: SealedPlan, graph: Graph) -> Iterator[str]:
    for step in sealed.steps:
        if step.revision not in graph:
            yield f"revision {step.revision} is not among the files any more"
            continue
        parents = graph.parents_of(step.revision)
        if parents != step.parents:
            came = _listed(step.parents)
            yield f"revision {step.revision} comes after {_listed(parents)}; it came after {came}"
        elif not _same(step.checksum, graph.fingerprint(step.revision)):
            yield f"revision {step.revision} was edited"
    yield from _moved_way(sealed, graph)


def _moved_way(sealed: SealedPlan, graph: Graph) -> Iterator[str]:
    """Whether the same question gets the same answer."""
    ask = plan_upgrade if sealed.direction is Direction.UPGRADE else plan_downgrade
    try:
        found = ask(graph, sealed.before, sealed.target)
    except HeadwayError as error:
        yield f"the way to {sealed.target} cannot be planned any more: {error.message}"
        return
    now, then = ([step.revision for step in steps] for steps in (found.steps, sealed.steps))
    more = [id_ for id_ in now if id_ not in then]
    fewer = [id_ for id_ in then if id_ not in now and id_ in graph]
    if more:
        yield f"the way to {sealed.target} leads through {_listed(more)} as well"
    if fewer:
        yield f"the way to {sealed.target} does not lead through {_listed(fewer)} any more"
    if now != then and sorted(now) == sorted(then):
        yield f"the way to {sealed.target} has another order: {', '.join(now)}"


def _moved_objects(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{name} is new in the database" for name in sorted(now.keys() - then.keys()))
    yield from (f"{name} is gone from the database" for name in sorted(then.keys() - now.keys()))
    yield from (f"{name} has changed" for name in sorted(then.keys() & now.keys()) if then[name] != now[name])


def _same(then: str | None, now: str | None) -> bool:
    """Whether two checksums are of the same deeds; comments and formatting do not count."""
    read = [Fingerprint.read(each) if each else None for each in (then, now)]
    if read[0] is None or read[1] is None:
        return then is not None and then == now
    return read[0].content == read[1].content


def _facts(review: StepReview) -> dict[str, Any]:
    kept = {item.name: getattr(review, item.name) for item in fields(review) if item.name not in _NOT_KEPT}
    facts: dict[str, Any] = json.loads(
        json.dumps({**kept, **{name: [asdict(it) for it in kept[name]] for name in _LISTS}}, default=str)
    )
    for statement, plain in zip(review.statements, facts["statements"], strict=True):
        plain["sql"] = shown(statement.sql)
        plain["effort"] = statement.effort.value
    for loss in facts["losses"]:
        del loss["rows"], loss["size_bytes"]
    for finding in facts["findings"]:
        del finding["path"]
    return facts


def _loaded(text: str, source: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or "checksum" not in content:
        raise _unreadable(f"{source} is no plan that `headway plan --out` has written")
    version, written = content.get("format_version"), content.pop("checksum")
    if version != FORMAT_VERSION:
        raise _unreadable(
            f"{source} is a plan of format {version!r}, and this headway reads {FORMAT_VERSION}"
        )
    if _checksum(content) != written:
        raise _unreadable(f"{source} is not as it was written: its checksum does not fit")
    return content


def _unreadable(problem: str) -> RefusedError:
    return RefusedError(
        f"{problem}. Nothing was changed.", hint="Make it anew: `headway plan --out FILE`, and read it over."
    )


def _step(content: Mapping[str, Any]) -> SealedStep:
    facts = content["facts"]
    if not isinstance(facts, dict):
        raise TypeError("facts")
    checksum = content["checksum"]
    return SealedStep(
        _text(content["revision"]),
        _texts(content["parents"]),
        _texts(content["before"]),
        _texts(content["after"]),
        None if checksum is None else _text(checksum),
        facts,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(map(_text, value))


def _checksum(content: Any) -> str:
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(sorted(ids)) or "base"
