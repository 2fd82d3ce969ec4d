"""Names of a package that are loaded when first used: a short command pays only for what it needs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def on_first_use(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package that loads its names from elsewhere (PEP 562).

    Args:
        package: its ``__name__``.
        homes: the modules, and of each the names that the package exports from it.

    Returns:
        The two functions. A name that was asked for once is found without them; one that is no export is an
        AttributeError, as in any module.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    namespace = vars(sys.modules[package])

    def load(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        namespace[name] = value = getattr(import_module(home), name)
        return value

    return load, lambda: sorted({*namespace, *home_of})
