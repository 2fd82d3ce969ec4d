"""What to run to get from here to there: plain data in, plain data out.

One model stands behind everything. A database has a set of applied revisions, closed under parents and
dependencies; its version table holds the ones that no other applied revision needs. Applying a revision
adds it to the set, undoing it takes it out, and the rows follow. Identifiers mean what they mean to
Alembic (``alembic.script.revision.RevisionMap``).

``Plan`` is shared by status, preview, offline SQL and the run itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.exports import on_first_use

if TYPE_CHECKING:
    from headway.planning.alterations import changes, deleted, forgotten
    from headway.planning.history import history_range
    from headway.planning.identifiers import merge_command, refuse_url, resolve
    from headway.planning.plan import Plan, Step, plan_back, plan_downgrade, plan_range, plan_upgrade
    from headway.planning.record import read_record
    from headway.planning.sealing import Imprint, SealedPlan, moved, seal, still_sealed
    from headway.planning.stamping import plan_stamp
    from headway.planning.standing import (
        assess,
        begins_anew,
        describe,
        interruption,
        pending,
        require_agreed,
        require_head,
        require_known,
        require_serving,
        serves,
        still_valid,
        unfinished,
        unknown,
    )

_HOMES = {
    "headway.planning.alterations": (
        "changes",
        "deleted",
        "forgotten",
    ),
    "headway.planning.history": ("history_range",),
    "headway.planning.identifiers": (
        "merge_command",
        "refuse_url",
        "resolve",
    ),
    "headway.planning.plan": (
        "Plan",
        "Step",
        "plan_back",
        "plan_downgrade",
        "plan_range",
        "plan_upgrade",
    ),
    "headway.planning.record": ("read_record",),
    "headway.planning.sealing": (
        "Imprint",
        "SealedPlan",
        "moved",
        "seal",
        "still_sealed",
    ),
    "headway.planning.stamping": ("plan_stamp",),
    "headway.planning.standing": (
        "assess",
        "begins_anew",
        "describe",
        "interruption",
        "pending",
        "require_agreed",
        "require_head",
        "require_known",
        "require_serving",
        "serves",
        "still_valid",
        "unfinished",
        "unknown",
    ),
}
__getattr__, __dir__ = on_first_use(__name__, _HOMES)

__all__ = [
    "Imprint",
    "Plan",
    "SealedPlan",
    "Step",
    "assess",
    "begins_anew",
    "changes",
    "deleted",
    "describe",
    "forgotten",
    "history_range",
    "interruption",
    "merge_command",
    "moved",
    "pending",
    "plan_back",
    "plan_downgrade",
    "plan_range",
    "plan_stamp",
    "plan_upgrade",
    "read_record",
    "refuse_url",
    "require_agreed",
    "require_head",
    "require_known",
    "require_serving",
    "resolve",
    "seal",
    "serves",
    "still_sealed",
    "still_valid",
    "unfinished",
    "unknown",
]
