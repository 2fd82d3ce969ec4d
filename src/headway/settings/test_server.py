"""Where tests make their databases: read without the rest, which takes longer to load than a test takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "HEADWAY_TEST_DATABASE_URL"


def load_test_server(folder: Path) -> tuple[str, str] | None:
    """The server that tests make their databases on, and what its setting is called; the URL is **secret**.

    Args:
        folder: whose ``.env`` is read after the environment.

    Returns:
        ``None`` when ``HEADWAY_TEST_DATABASE_URL`` is set nowhere.

    Raises:
        ConfigurationError: ``.env`` names the variable and cannot be read.
    """
    if value := os.environ.get(VARIABLE, "").strip():
        return value, VARIABLE
    dotenv = folder / ".env"
    if not dotenv.is_file() or VARIABLE.encode() not in dotenv.read_bytes().upper():
        return None
    from headway.settings.loading import read_from_dotenv

    return read_from_dotenv(folder, VARIABLE)
