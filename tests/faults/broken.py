"""Engines broken on purpose, each in one way that one invariant is there to notice.

Each function is called in the command's process before anything else.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def forgets_to_migrate() -> None:
    """Writes the version of a revision whose code it does not run: I1 and I3."""
    from headway.attempt import Attempt

    def apply(self: Attempt, scope: Any, code: Any, write: Any) -> None:
        scope.run_transaction(self, lambda: None, write)

    Attempt.apply = apply  # type: ignore[method-assign]
    _sends(lambda _: ())


def repeats_what_is_done() -> None:
    """Runs each revision twice: I3."""
    from headway.attempt import Attempt

    apply = Attempt.apply

    def twice(self: Attempt, scope: Any, code: Any, write: Any) -> None:
        function = code.function

        def run() -> None:
            function()
            scope.connection.exec_driver_sql("INSERT INTO probe SELECT * FROM probe")

        object.__setattr__(code, "function", run)
        apply(self, scope, code, write)

    Attempt.apply = twice  # type: ignore[method-assign]
    _sends(lambda statements: (*statements, "INSERT INTO probe SELECT * FROM probe"))


def _sends(changed: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Changes what a step in one message holds."""
    from headway.batch import Batch

    made = Batch.__init__

    def init(self: Batch, door: Any, prepared: Any, statements: Sequence[str], *rest: Any) -> None:
        made(self, door, prepared, changed(statements), *rest)

    Batch.__init__ = init  # type: ignore[method-assign,assignment]


def does_nothing() -> None:
    """Says that it is done, and has done nothing: I2 and I7."""
    from headway.results import RunReport
    from headway.runner import Run

    async def execute(self: Any, works: Any, *, before: Any, after: Any) -> RunReport:
        door = self._door
        return RunReport(door.run_id, self.operation, door.session.database, before, after, (), 0.0)

    Run.execute = execute  # type: ignore[method-assign]


def takes_no_lock() -> None:
    """Goes on without the migrator lock: I4."""
    import headway.attempt
    import headway.batch
    import headway.door
    import headway.lock
    import headway.statements

    for module in (headway.attempt, headway.door, headway.lock, headway.statements):
        for name in ("try_lock", "holds", "unlock"):
            if hasattr(module, name):
                setattr(module, name, lambda *_: True)
    setattr(headway.batch, "held_in_sql", lambda _: "true")  # noqa: B010  # it is not exported there


def is_indiscreet() -> None:
    """Prints the URL that it was given: I7."""
    sys.stderr.write(os.environ["DATABASE_URL"])


def refuses_too_late() -> None:
    """Refuses when its tables are made already: I8."""
    from headway.errors import RefusedError
    from headway.runner import Run

    async def execute(self: Any, works: Any, **_: Any) -> None:
        raise RefusedError("no")

    Run.execute = execute  # type: ignore[method-assign,assignment]
