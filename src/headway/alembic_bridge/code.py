"""What a revision does in one direction, whatever it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from headway.sqlfiles import Place


def _nowhere(_: int | None) -> None:
    """Where Python code is, its traceback tells."""


@dataclass(frozen=True, slots=True)
class RevisionCode:
    """A revision file's function for one direction, and what the file says about how to run it.

    ``repeatable`` says that the function may be called without a database first: nobody can tell, the
    database aside, whether it was called once or twice.
    ``place`` tells of an SQL revision where in its file it is: at the character of the running statement that
    the server counted to, at its beginning for ``None``; ``None`` while no statement runs.
    """

    function: Callable[[], None]
    transactional: bool = True
    repeatable: bool = False
    lock_timeout: object = None
    statement_timeout: object = None
    idle_in_transaction_session_timeout: object = None
    client_connection_check_interval: object = None
    place: Callable[[int | None], Place | None] = _nowhere
