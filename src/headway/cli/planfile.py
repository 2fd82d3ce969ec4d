"""Sealed plans as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from headway.errors import HeadwayError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from headway import SealedPlan

    Goal: TypeAlias = str | SealedPlan
    """Where to: a target, or a sealed plan."""

plan_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Run what `headway plan --out FILE` has sealed, in place of TARGET; exit 3 if anything has moved.",
)


def goal_of(target: str | None, plan_file: Path | None, *, as_sql: bool, usual: str | None) -> Goal:
    """Where to go, by the command line.

    Args:
        target: the argument.
        plan_file: the value of ``--plan``.
        as_sql: whether SQL is to be printed, which needs no plan.
        usual: the target where none is given; ``None`` when one must be.

    Raises:
        UsageError: both are given, or neither; or the file cannot be read.
        RefusedError: it is no sealed plan, or is not as it was written.
    """
    if plan_file is None:
        if target is None and usual is None:
            raise click.UsageError("Missing argument 'TARGET'.", ctx=click.get_current_context())
        return target or str(usual)
    if target is not None or as_sql:
        other = "TARGET" if target is not None else "--sql"
        raise click.UsageError(f"--plan and {other} exclude each other.", ctx=click.get_current_context())
    from headway import SealedPlan

    try:
        text = plan_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"--plan: {plan_file} cannot be read: {_reason(error)}"
        raise click.UsageError(problem, ctx=click.get_current_context()) from error
    return SealedPlan.read(text, source=str(plan_file))


def write_plan(path: Path, sealed: SealedPlan) -> None:
    """Write a sealed plan, whole or not at all, and readable for its owner alone: it shows SQL.

    Raises:
        HeadwayError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            draft.touch(0o600, exist_ok=False)
            draft.write_text(sealed.render(), encoding="ascii", newline="\n")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise HeadwayError(f"{path} cannot be written: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
