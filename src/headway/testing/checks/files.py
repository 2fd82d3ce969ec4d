"""Checks that read the revision files and need no database."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

from headway.errors import GraphError
from headway.planning import merge_command
from headway.project import Project, load_project
from headway.revisions import Graph, read_graph
from headway.syntax import tree_of
from headway.testing.checks.failure import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headway.revisions import Revision

# What Alembic writes where no message is given (its templates say `${message}`, its command "empty message").
_NO_MESSAGE = frozenset({"", "empty message"})

_BY_LINE = re.MULTILINE | re.IGNORECASE
_CONVERSION = re.compile(r"%(?:%|\((?P<name>\w+)\)[-#0-9 +.]*(?P<kind>[a-zA-Z]))")


def graph_of(project: Project) -> Graph:
    """The project's revisions.

    Raises:
        GraphError: they do not form a graph.
    """
    return read_graph(project.version_locations, recursive=project.recursive, sourceless=project.sourceless)


def single_head(project: Project | Path | str | None = None) -> None:
    """The revisions end in one head, so that ``upgrade head`` means something.

    Args:
        project: the project, its configuration file or folder; ``None`` searches from the working directory.

    Raises:
        CheckFailedError: there are several heads.
        GraphError: the files do not form a graph.
    """
    heads = graph_of(_project(project)).heads
    if len(heads) > 1:
        raise CheckFailedError(
            "single_head",
            f"there are {len(heads)} heads: {', '.join(heads)}.",
            hint=f"Join them: `{merge_command(heads)}`; or let one's down_revision name the other.",
        )


def revision_files(project: Project | Path | str | None = None) -> None:
    """Each file is named by ``file_template``, holds an id of its own, says what it does, and can go back.

    A ``downgrade`` that does nothing is right only beside an ``upgrade`` that does nothing; what cannot be
    undone raises (``NotImplementedError``, ``IrreversibleMigration``).

    Args:
        project: as for :func:`single_head`.

    Raises:
        CheckFailedError: something is wrong; every finding is listed, with file and line.
    """
    known = _project(project)
    try:
        graph = graph_of(known)
    except GraphError as error:
        raise _failed(error.problems) from error
    template = _file_template(known)
    found = [
        finding
        for revision in graph.revisions.values()
        for finding in [*_name_findings(known, revision, template), *_source_findings(revision)]
    ]
    if found:
        raise _failed(found)


def _failed(findings: tuple[str, ...] | list[str]) -> CheckFailedError:
    count = f"{len(findings)} problem{'' if len(findings) == 1 else 's'}"
    return CheckFailedError(
        "revision_files",
        f"{count} in the revision files:",
        findings,
        hint="`headway revision -m …` writes files that keep all of this; mend those that are older by hand. "
        "A file may be renamed at any time: only the ids in it count.",
    )


def _project(project: Project | Path | str | None) -> Project:
    return project if isinstance(project, Project) else load_project(project)


def _file_template(project: Project) -> str:
    from headway.alembic_bridge import AlembicProject

    return AlembicProject(project).script.file_template


def _name_findings(project: Project, revision: Revision, template: str) -> Iterator[str]:
    if revision.path.suffix == ".py" and not any(
        _named_by(template, revision, revision.path.relative_to(location).as_posix())
        for location in project.version_locations
        if revision.path.is_relative_to(location)
    ):
        yield f"{revision.path}:1: the name is not of the form of file_template, which is {template}"


def _named_by(template: str, revision: Revision, name: str) -> bool:
    """Whether a file's name, seen from its version location, is one that the template could have given."""
    pattern, position = "", 0
    for found in _CONVERSION.finditer(template):
        pattern += re.escape(template[position : found.start()])
        position = found.end()
        if found["name"] is None:
            pattern += "%"
        elif found["name"] == "rev":
            pattern += re.escape(revision.id)
        else:
            pattern += r"\d+" if found["kind"] == "d" else r"[^/]*"
    return re.fullmatch(pattern + re.escape(template[position:]) + r"\.py", name) is not None


def _source_findings(revision: Revision) -> Iterator[str]:
    path = revision.path
    if revision.description.strip() in _NO_MESSAGE:
        yield f"{path}:1: the docstring does not say what the revision does"
    if path.suffix != ".py":
        return
    functions = {
        node.name: node for node in tree_of(path.read_bytes()).body if isinstance(node, ast.FunctionDef)
    }
    if "upgrade" not in functions:
        yield f"{path}:1: there is no upgrade()"
    elif "downgrade" not in functions:
        yield f"{path}:{functions['upgrade'].lineno}: there is no downgrade()"
    elif _is_empty(functions["downgrade"]) and not _is_empty(functions["upgrade"]):
        yield (
            f"{path}:{functions['downgrade'].lineno}: downgrade() does nothing, but upgrade() does; "
            "undo it, or raise and say why it cannot be undone"
        )


def _is_empty(function: ast.FunctionDef) -> bool:
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        or (isinstance(statement, ast.Return) and statement.value is None)
        for statement in function.body
    )


def declared(path: Path, word: str) -> str | None:
    """What a comment in a file's ``upgrade()`` says after this word and a colon; ``None`` without one.

    Autogenerate writes ``# destructive: …`` above each operation that destroys data, and people do. In a file
    of SQL it is a line of its own: ``-- destructive: …``.
    """
    if path.suffix != ".py":
        found = re.search(rf"^\s*--\s*{word}\s*:(.*)", path.read_text(encoding="utf-8"), _BY_LINE)
        return found[1].strip() if found else None
    source = path.read_bytes()
    spans = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in tree_of(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    ]
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT and any(token.start[0] in span for span in spans):
            name, colon, said = token.string.lstrip("# ").partition(":")
            if colon and name.strip().lower() == word:
                return said.strip()
    return None


def dropped_by_name(path: Path) -> Iterator[tuple[str, ...]]:
    """Tables and columns that a file's ``upgrade()`` drops by ``op`` with names written out: (table, column).

    They are in plain sight for a reader of the file, also where no SQL can be written beforehand.
    """
    tree = tree_of(path.read_bytes()) if path.suffix == ".py" else ast.Module([], [])
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name == "upgrade":
            for node in ast.walk(function):
                match node:
                    case ast.Call(func=ast.Attribute(attr="drop_table"), args=[ast.Constant(str(table)), *_]):
                        yield (table,)
                    case ast.Call(
                        func=ast.Attribute(attr="drop_column"),
                        args=[ast.Constant(str(table)), ast.Constant(str(column)), *_],
                    ):
                        yield table, column
