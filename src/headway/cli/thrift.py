"""What makes a command start sooner, and only a process of its own may do: both are the whole process's.

Nothing here changes what a command does.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_LOADED = 200_000
"""More objects than SQLAlchemy, Alembic, asyncpg and headway make while they are loaded: about 155,000."""
_USUAL = gc.get_threshold()
_HIGHLIGHTING = "mako.ext.pygmentplugin"


class _WithoutHighlighting:
    """Tells Mako once that there is no Pygments.

    Alembic loads Mako for its templates, and Mako loads Pygments wherever it is, for the colours of an error
    page in HTML, which no command shows: 4 MiB, and a fortieth of the time. It is there because of rich.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  # the signature of every finder
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Refuse Mako's own import, which comes first; whoever asks later is served as ever."""
        if fullname != _HIGHLIGHTING:
            return None
        sys.meta_path.remove(self)
        raise ModuleNotFoundError(f"{fullname} is of no use to a command", name=fullname)


def begin() -> None:
    """At the start: what is loaded stays, and is not searched for garbage; Pygments stays where it is."""
    gc.set_threshold(_LOADED)
    gc.callbacks.append(_searched)
    sys.meta_path.insert(0, _WithoutHighlighting())


def run() -> None:
    """When a run begins: all is loaded. From now on only what is new is searched, as often as ever."""
    if _searched in gc.callbacks:
        gc.callbacks.remove(_searched)
        gc.freeze()
        if gc.get_threshold()[0] == _LOADED:  # else env.py has set its own
            gc.set_threshold(*_USUAL)


def _searched(phase: str, _: Mapping[str, int]) -> None:
    """Where no run begins, all is loaded as soon as there is more to search than that."""
    if phase == "stop":
        run()
