"""What a user configures, from the command down to the project's file; the one reader of the environment."""

from headway.settings.loading import VARIABLES, Environment, Settings, load_settings

__all__ = ["VARIABLES", "Environment", "Settings", "load_settings"]
