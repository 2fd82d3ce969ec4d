"""A whole script: its header, its opening, its steps, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.bundle.opening import closing, opening, said
from headway.bundle.psql import comment, one_line
from headway.bundle.steps import step_of
from headway.results import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.bundle.content import BundleStep, Content

_HEADER = """\
headway {version}: {what}

Run it with psql 14 or newer, on a direct connection (not through a pooler in transaction mode), as the role
that migrations run as:

    psql -X -v ON_ERROR_STOP=1 -d DATABASE -f {file}

It refuses to run unless the database stands at {first}{between}. Steps that are
done already are left out; when all are, it changes nothing and says so. It takes headway's migrator lock
(for another migrator it waits up to {wait:g} s: -v headway_lock_wait=SECONDS), writes {table} by
compare-and-set, and puts each step on record in headway's ledger.

Each step is one transaction unless it says otherwise. When a statement fails, psql ends (exit code 3) and the
step is rolled back; those before it stay. Run the script again to go on. A statement waits for a lock as
long as its step says and is not tried again: where traffic is dense, run it again, too.
"""


def script_of(content: Content, steps: Sequence[BundleStep], file: str) -> str:
    """The script of some steps that follow upon each other, in one direction.

    Args:
        content: the bundle.
        steps: ``content.upgrade``, ``content.rollback``, or a part of one of these.
        file: its name.
    """
    total = len(steps)
    return (
        _header(content, steps, file)
        + "\n"
        + opening(content, steps)
        + "".join(step_of(step, at, total, content.setting) for at, step in enumerate(steps))
        + "\n"
        + closing(steps)
    )


def _header(content: Content, steps: Sequence[BundleStep], file: str) -> str:
    first, last = steps[0], steps[-1]
    what = f"{first.direction.value} from {said(first.before)} to {said(last.after)}"
    if len(steps) == 1:
        what += f" ({one_line(first.title)})"
    elif first.direction is Direction.UPGRADE:
        what += f", {len(steps)} revisions"
    text = _HEADER.format(
        version=content.setting.versions["headway"],
        what=what,
        file=file,
        first=said(first.before),
        between=" or on the way from there" if len(steps) > 1 else "",
        wait=content.setting.lock_wait_s,
        table=content.setting.table.name,
    )
    stops = [f"It stops before {one_line(step.title)}: {step.unseen}." for step in steps if step.by_hand]
    return comment(text + ("\n" + "\n".join(stops) + "\n" if stops else ""))
