"""One step looked at by every rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from headway.lint.judging import Scene, alarms
from headway.lint.policy import Policy
from headway.lint.silencing import Silence, silences
from headway.results import Effort, Finding, LockMode, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from headway.lint.alarms import Alarm
    from headway.lint.subject import Subject
    from headway.results import RelationLock, StatementReview


def examine(subject: Subject, policy: Policy | None = None) -> tuple[Finding, ...]:
    """What is amiss with one step of a revision; nothing when nothing is.

    Silenced findings are among them, with their reasons.

    Args:
        subject: the step and what is known around it.
        policy: how bad each rule is; as ``RULES`` has it when ``None``.

    Raises:
        ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
    """
    policy = policy or Policy()
    scene = Scene.of(subject)
    raised = _without_doubles(alarms(scene), policy)
    found = [_finding(subject, alarm, policy) for alarm in raised]
    return tuple(_silenced(subject, found, policy))


def explained(subject: Subject) -> tuple[StatementReview, ...]:
    """The step's statements; those that nobody watched with the locks, scans and rewrites their text tells.

    Raises:
        ConfigurationError: PostgreSQL's parser (extra ``lint``) is not installed.
    """
    return Scene.of(subject).statements


def _without_doubles(raised: Iterable[Alarm], policy: Policy) -> list[Alarm]:
    """The alarms that are on, without those that another one of the same statement says better."""
    on = [alarm for alarm in raised if policy.severity(alarm.rule) is not Severity.OFF]
    said = {(alarm.rule, _position(alarm)) for alarm in on}
    kept: dict[tuple[str, int, str], Alarm] = {}
    for alarm in on:
        if not any((rule, _position(alarm)) in said for rule in alarm.unless):
            kept.setdefault((alarm.rule, _position(alarm), alarm.hazard), alarm)
    return list(kept.values())


def _position(alarm: Alarm) -> int:
    return alarm.act.review.position if alarm.act else 0


def _finding(subject: Subject, alarm: Alarm, policy: Policy) -> Finding:
    review = alarm.act.review if alarm.act else None
    lock = alarm.act.lock(alarm.on) if alarm.act and alarm.on else None
    return Finding(
        rule=alarm.rule,
        severity=_severity(alarm, policy),
        revision=subject.step.revision,
        path=_path(subject, undo=alarm.undo),
        line=review.line if review else alarm.line,
        statement=review.position if review else None,
        hazard=alarm.hazard,
        lock=lock,
        blocks=_blocks(lock, alarm, review),
        recipe=alarm.recipe,
    )


def _path(subject: Subject, *, undo: bool) -> Path:
    return subject.undo_path if undo and subject.undo_path is not None else subject.step.path


def _severity(alarm: Alarm, policy: Policy) -> Severity:
    """The project's word counts most, then the alarm's own."""
    if alarm.severity is not None and alarm.rule not in policy.severities:
        return alarm.severity
    return policy.severity(alarm.rule)


def _blocks(lock: RelationLock | None, alarm: Alarm, review: StatementReview | None) -> str:
    if lock is None or not lock.mode.blocks_writes:
        return ""
    what = "read and write of" if lock.mode is LockMode.ACCESS_EXCLUSIVE else "write to"
    during = alarm.during or (
        "until its transaction ends" if review and review.transactional else "until it ends"
    )
    if review and review.effort is Effort.METADATA and not review.transactional:
        during = "from the moment that it waits for the lock until it ends"
    return f"every {what} {lock.relation} waits, {during}"


def _silenced(subject: Subject, found: list[Finding], policy: Policy) -> Iterator[Finding]:
    """The findings with the reasons given for them, and what is amiss with the reasons."""
    files = {subject.step.path: subject.source}
    if subject.undo_path is not None and subject.undo_source is not None:
        files[subject.undo_path] = subject.undo_source
    used: set[Silence] = set()
    given = {path: silences(source, path) for path, source in files.items()}
    for finding in found:
        matching = [
            each
            for each in given.get(finding.path, ())
            if each.rule == finding.rule and each.covers(finding.line)
        ]
        used |= set(matching)
        reason = next((each.reason for each in matching if each.reason), None)
        yield replace(finding, silenced=reason)
    for path, those in given.items():
        for silence in those:
            yield from _about(subject, path, silence, policy, used=silence in used)


def _about(
    subject: Subject, path: Path, silence: Silence, policy: Policy, *, used: bool
) -> Iterator[Finding]:
    slug, hazard = "", ""
    if silence.problem or not used:
        slug = "silence-unused"
        why = silence.problem or f"{silence.rule} finds nothing here"
        hazard = f"this comment silences nothing: {why}"
    elif not silence.reason:
        slug = "silence-without-reason"
        hazard = f"{silence.rule} is not silenced, for the comment gives no reason"
    if not slug or policy.severity(slug) is Severity.OFF or _is_off(silence, policy):
        return
    mark = "--" if path.suffix == ".sql" else "#"
    yield Finding(
        rule=slug,
        severity=policy.severity(slug),
        revision=subject.step.revision,
        path=path,
        line=silence.line,
        statement=None,
        hazard=hazard,
        recipe=f"{mark} headway: allow {silence.rule}: (the reason)" if slug != "silence-unused" else "",
    )


def _is_off(silence: Silence, policy: Policy) -> bool:
    """Whether a comment speaks of a rule that this project does not look for."""
    return not silence.problem and policy.severity(silence.rule) is Severity.OFF
