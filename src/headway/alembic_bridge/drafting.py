"""A revision file before it is one: what it may be called, and that it is written whole or not at all."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic.util import CommandError, to_list

from headway.errors import ConfigurationError, HeadwayError, ResolutionError
from headway.planning import refuse_url, resolve
from headway.revisions import Graph, id_problems, label_problems, read_graph
from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from headway.project import Project

_ENDING = re.compile(r'"""|"\Z')
"""Quotes that would end a docstring too early."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new revision file is to be; the names are those of ``alembic revision``'s options."""

    message: str | None
    head: str = "head"
    splice: bool = False
    branch_label: str | None = None
    version_path: str | None = None
    rev_id: str | None = None
    depends_on: str | Sequence[str] | None = None


def graph_of(project: Project) -> Graph:
    """The revisions as they are now, just before one is added."""
    return read_graph(project.version_locations, recursive=project.recursive, sourceless=project.sourceless)


def verify(graph: Graph, draft: Draft) -> None:
    """Return when a revision of this draft can stand in the graph.

    Raises:
        ConfigurationError: its message says nothing, or its id or label cannot be used.
        ResolutionError: what it depends on names nothing, or several revisions.
    """
    if draft.message is not None and not draft.message.strip():
        raise ConfigurationError("--message", "says nothing", example='-m "add users"')
    if draft.rev_id is not None:
        refuse_url(draft.rev_id)
        _require_none("--rev-id", id_problems(graph, draft.rev_id))
    if draft.branch_label is not None:
        refuse_url(draft.branch_label)
        _require_none("--branch-label", label_problems(graph, draft.branch_label))
    for needed in to_list(draft.depends_on, []):
        if len(resolve(graph, needed)) != 1:
            raise ResolutionError(
                needed,
                f"{needed!r} does not name one revision to depend on.",
                hint="Give a revision or a branch label; `headway history` lists them.",
            )


def in_docstring(message: str) -> str:
    """A message as it must be written between triple quotes, to come out of them as it was.

    Templates put ``${message}`` between triple quotes, as Alembic's own do. A lone surrogate, which no file
    can hold and Python 3.13 takes in no docstring, comes out as the words of its escape.
    """
    writable = message.strip().encode("utf-8", "backslashreplace").decode("utf-8")
    text = "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode("ascii")
        for letter in writable.replace("\\", "\\\\")
    )
    return _ENDING.sub(lambda quotes: '\\"' * len(quotes[0]), text)


@contextmanager
def written_whole(project: Project, ids: Collection[str]) -> Iterator[None]:
    """Leave no file behind when the revisions ``ids`` could not be written, or cannot be used.

    Raises:
        ConfigurationError: the template is missing, or makes what Python does not take.
        HeadwayError: the file cannot be written, or a hook of the project failed on it.
    """
    before = _sources(project)
    try:
        yield
    except BaseException as error:
        # Somebody else may write revisions at the same time; theirs stay.
        written = [path for path in _sources(project) - before if _names_one(path, ids)]
        problem = _problem(project, written, error)
        for path in written:
            path.unlink(missing_ok=True)
        if problem is None:
            raise
        raise problem from error


def _require_none(option: str, problems: Iterator[str]) -> None:
    for problem in problems:
        raise ConfigurationError(option, problem)


def _sources(project: Project) -> set[Path]:
    return {path for location in project.version_locations for path in location.rglob("*.py")}


def _names_one(path: Path, ids: Collection[str]) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    return any(id_ in path.name or id_ in text for id_ in ids)


def _problem(project: Project, written: Sequence[Path], error: BaseException) -> HeadwayError | None:
    """What to say of a failure; ``None`` when it says enough itself, or is none of ours."""
    if isinstance(error, HeadwayError) or not isinstance(error, Exception):
        return None
    template = project.script_location / "script.py.mako"
    if written:
        return _problem_of_file(template, written, error)
    places = ", ".join(map(str, project.version_locations)) if len(project.version_locations) > 1 else ""
    return _problem_of_writing(template, error, places)


def _problem_of_file(template: Path, written: Sequence[Path], error: Exception) -> HeadwayError:
    broken = [fault for path in written if (fault := _syntax_fault(path))]
    if broken:
        return ConfigurationError(str(template), f"makes a file that is not Python ({broken[0]})")
    told = str(error) if isinstance(error, CommandError) else f"{type(error).__name__}: {error}"
    return HeadwayError(
        f"the new revision file cannot be used: {told}",
        hint=f"It was made from {template} and was not kept; look there, and at the project's "
        "post_write_hooks.",
    )


def _problem_of_writing(template: Path, error: Exception, places: str) -> HeadwayError | None:
    if isinstance(error, CommandError):
        where = f" The version locations here: {places}." if places else ""
        return HeadwayError(str(error), hint=f"No revision file was written.{where}")
    if isinstance(error, FileNotFoundError) and not template.exists():
        return ConfigurationError(
            str(template),
            "does not exist; revision files are made from it",
            example="take the script.py.mako that `alembic init FOLDER` writes",
        )
    if isinstance(error, OSError):
        return HeadwayError(
            f"{error.filename or 'the revision file'}: cannot be written: {error.strerror}",
            hint="Revision files are written into the checkout; make that folder writable.",
        )
    return None


def _syntax_fault(path: Path) -> str | None:
    try:
        tree_of(path.read_bytes())
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except ValueError as error:  # null bytes, before Python 3.12
        return str(error)
    return None
