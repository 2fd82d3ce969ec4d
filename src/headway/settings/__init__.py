"""What a user configures, from the command down to the project's file; the one reader of the environment.

Names are loaded when first used: a pytest run that needs no database pays for none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.settings.child_environment import libpq_variables
    from headway.settings.limits import LIMITS
    from headway.settings.loading import (
        VARIABLES,
        Environment,
        Settings,
        load_limits,
        load_settings,
        variables_for,
    )
    from headway.settings.test_server import load_test_server

_HOMES = {"LIMITS": "limits", "libpq_variables": "child_environment", "load_test_server": "test_server"}

__all__ = [
    "LIMITS",
    "VARIABLES",
    "Environment",
    "Settings",
    "libpq_variables",
    "load_limits",
    "load_settings",
    "load_test_server",
    "variables_for",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"headway.settings.{_HOMES.get(name, 'loading')}"), name)
