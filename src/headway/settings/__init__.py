"""What a user configures, from the command down to the project's file; the one reader of the environment."""

from headway.settings.limits import LIMITS
from headway.settings.loading import (
    VARIABLES,
    Environment,
    Settings,
    load_limits,
    load_settings,
    load_test_server,
    variables_for,
)

__all__ = [
    "LIMITS",
    "VARIABLES",
    "Environment",
    "Settings",
    "load_limits",
    "load_settings",
    "load_test_server",
    "variables_for",
]
