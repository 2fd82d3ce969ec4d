"""What a project says of lint, in ``[tool.headway.lint]`` (TOML) or ``[headway:lint]`` (the ini file)."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING, Any

from headway.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from headway.project.configuration import Project

TABLE = "[tool.headway.lint]"
SECTION = "headway:lint"


def lint_sections(project: Project) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each place where something is said, with what is said there; the ini file's comes last, and counts.

    The folder's ``pyproject.toml`` counts whether it configures Alembic or not.

    Raises:
        ConfigurationError: ``pyproject.toml`` is no TOML, or the table is none.
    """
    toml = project.root / "pyproject.toml"
    if toml.is_file() and (table := _table(toml)):
        yield f"{toml.name}: {TABLE}", table
    if project.config_file is not None and (options := _options(project.config_file)):
        yield f"{project.config_file.name}: [{SECTION}]", options


def _table(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(path.name, f"it is not valid TOML: {error}", example=TABLE) from None
    table = content.get("tool", {}).get("headway", {})
    table = table.get("lint", {}) if isinstance(table, dict) else table
    if not isinstance(table, dict):
        raise ConfigurationError(path.name, "tool.headway.lint must be a table", example=TABLE)
    return table


def _options(path: Path) -> dict[str, str]:
    """The section's options; that the file can be read was seen when the project was loaded."""
    parser = configparser.RawConfigParser()
    parser.read_string(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    return dict(parser.items(SECTION)) if parser.has_section(SECTION) else {}
