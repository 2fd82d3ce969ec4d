"""A new project: its files, none of which is ever written over."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from headway.errors import ConfigurationError, HeadwayError, RefusedError
from headway.project.sqlfolder import holds_revisions
from headway.scaffold import texts

INI = "alembic.ini"
PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Beginning:
    """What was written, and what was there already and is left alone.

    ``lines`` says for each of these what it lacks, where lines can simply be added.
    """

    written: tuple[Path, ...]
    left_alone: tuple[Path, ...]
    lines: dict[str, str]


def is_project(folder: Path) -> bool:
    """Whether a folder holds an Alembic configuration."""
    if (folder / INI).is_file():
        return True
    try:
        table = tomllib.loads((folder / PYPROJECT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "alembic" in table.get("tool", {})


def begin(folder: Path, directory: str, *, models: str | None, toml: bool) -> Beginning:
    """Write the files of a project.

    Args:
        folder: the project's.
        directory: where its migrations go, relative to it.
        models: ``module:attribute`` of the models' metadata, or of their declarative base; ``None`` leaves
            that to be filled in.
        toml: whether ``[tool.alembic]`` is added to pyproject.toml, in place of an alembic.ini.

    Raises:
        ConfigurationError: the models are not named so, the directory lies elsewhere, or ``toml`` is asked
            for and there is no pyproject.toml.
        RefusedError: the directory is a project already, of SQL revisions alone: with a configuration beside
            them they would be looked for in ``versions``, and not be found.
        HeadwayError: a file cannot be written.
    """
    environment = texts.ENV_WITHOUT_MODELS if models is None else _environment(models)
    place = Path(directory)
    if place.is_absolute() or ".." in place.parts or not place.parts:
        raise ConfigurationError(
            "DIRECTORY", f"{directory!r} is no folder below this one", example="migrations"
        )
    if holds_revisions(folder / place):
        raise RefusedError(
            f"{place.as_posix()} is a project already, of SQL revisions; nothing was written",
            hint="It needs no configuration: `headway up`. For revisions in Python beside them, begin in "
            "another directory, `headway init DIRECTORY`, and move them to DIRECTORY/versions.",
        )
    source = "/src" if (folder / "src").is_dir() else ""
    settings = {"directory": place.as_posix(), "source": source}
    files = {
        place / "env.py": environment,
        place / "script.py.mako": texts.TEMPLATE,
        place / "versions" / ".gitkeep": "",
        Path(".env.example"): texts.DOTENV,
        Path("Makefile"): texts.MAKEFILE,
    }
    if toml:
        _append(folder / PYPROJECT, texts.TOML.format(**settings))
    else:
        files[Path(INI)] = texts.INI.format(**settings)
    written = [path for path, text in files.items() if _write(folder / path, text)]
    there = [path for path in files if path not in written]
    addable = {"Makefile": texts.MAKEFILE, ".env.example": texts.DOTENV}
    lines = {str(path): addable[str(path)] for path in there if str(path) in addable}
    return Beginning((*([Path(PYPROJECT)] if toml else []), *written), tuple(there), lines)


def _environment(models: str) -> str:
    module, colon, attribute = models.partition(":")
    parts = [*module.split("."), *attribute.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise ConfigurationError(
            "--models", f"{models!r} is not module:attribute", example="myapp.models:Base"
        )
    last = attribute.split(".")[-1]
    expression = f"{attribute}.metadata" if last[:1].isupper() else attribute
    return texts.ENV.format(module=module, name=attribute.split(".")[0], expression=expression)


def _append(path: Path, text: str) -> None:
    if not path.is_file():
        raise ConfigurationError(
            "--pyproject", f"there is no {PYPROJECT} to add [tool.alembic] to", example="headway init"
        )
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise _unwritable(path, error) from error


def _write(path: Path, text: str) -> bool:
    """Write a file unless there is one; whether it was written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


def _unwritable(path: Path, error: OSError) -> HeadwayError:
    return HeadwayError(f"{path} cannot be written: {error.strerror}", hint="What is there is left as it is.")
