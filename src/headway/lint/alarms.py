"""What a rule says before its severity, its silence and its place in a file are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.lint.acts import Act
    from headway.lint.names import Name
    from headway.results import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A hazard found by one rule.

    Attributes:
        rule: its slug.
        hazard: what happens, in one sentence.
        act: the statement; ``None`` when it is of the whole revision.
        on: the relation whose lock makes it one; ``None`` where no lock does.
        during: what goes on while it is held, as the end of "… waits, ".
        recipe: the safe way as code.
        severity: where it differs from the rule's own.
        line: of the revision's file, where no statement tells.
        undo: whether ``line`` is of the file that undoes.
        explains: the relations whose scan or rewrite is accounted for.
        unless: rules that say the same and more; where one of them speaks of the statement, this does not.
    """

    rule: str
    hazard: str
    act: Act | None = None
    on: Name | None = None
    during: str = ""
    recipe: str = ""
    severity: Severity | None = None
    line: int | None = None
    undo: bool = False
    explains: tuple[Name, ...] = ()
    unless: tuple[str, ...] = ()


COPIED = "for as long as its rows are written anew"
READ = "for as long as its rows are read"
BUILT = "for as long as the index is built"
HELD = "from the moment that it waits for the lock until its transaction ends"
BUILT_ANEW = "for as long as its indexes are built anew"
