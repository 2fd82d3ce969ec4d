"""A project that Alembic runs: what its env.py says, and how it would hand over to headway."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.alembic_bridge import AlembicProject
from headway.errors import EnvironmentFileError, HeadwayError, RefusedError
from headway.project import connects_itself, hands_over
from headway.project.asking import (
    IGNORED,
    configure_calls,
    function_around,
    own_sql,
    own_urls,
    statements_needed,
)
from headway.rebasing import replace_whole
from headway.syntax import tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headway.project import Project

_RUNNING = frozenset({"run_migrations", "begin_transaction", "is_offline_mode", "fileConfig"})
"""What env.py calls to run migrations and to set up Alembic's logging; headway does the one for it and leaves
the other to the process."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What an env.py says and what would become of it.

    Attributes:
        path: env.py.
        hands_over: whether headway connects for it already.
        asks: its options for ``context.configure``, as ``name=expression``, ``target_metadata`` included.
        database: how it finds the database by itself, a line each; empty where alembic.ini says it.
        obstacle: why headway cannot run the project as it is; ``None`` when it can.
        manual: what a person must decide before it can hand over, a line each; empty as a rule.
        proposal: env.py as it would be; ``None`` where it hands over already, or cannot be read so far.
    """

    path: Path
    hands_over: bool
    asks: tuple[str, ...] = ()
    database: tuple[str, ...] = ()
    obstacle: str | None = None
    manual: tuple[str, ...] = ()
    proposal: str | None = None

    @property
    def diff(self) -> str:
        """From env.py as it is to the proposal, in unified form; "" without one."""
        if self.proposal is None:
            return ""
        before = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        after = self.proposal.splitlines(keepends=True)
        name = self.path.name
        return "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


def examine(project: Project) -> Adoption:
    """Read a project's env.py, and run it as far as headway would, without a connection.

    Raises:
        EnvironmentFileError: there is none, or it is no Python.
    """
    path = project.env_file
    try:
        source = path.read_bytes()
        tree = tree_of(source)
        text = source.decode("utf-8")
    except (OSError, SyntaxError, ValueError) as error:
        raise EnvironmentFileError(f"{path} cannot be read: {error}") from None
    obstacle = _obstacle(project)
    if not connects_itself(path):
        # By way of another module, perhaps: then there is no obstacle.
        return Adoption(path, hands_over=hands_over(path) or obstacle is None, obstacle=obstacle)
    options, manual, lifted = _options(tree, text)
    manual += [f"line {line} {does}" for line, does in own_sql(tree)]
    urls = {wording: line for line, wording in sorted(own_urls(tree), reverse=True)}
    proposal = _Rewriting(tree, text).proposal(options, lifted)
    return Adoption(
        path,
        hands_over=False,
        asks=tuple(options),
        database=tuple(f"{wording} (line {line})" for wording, line in urls.items()),
        obstacle=obstacle,
        manual=tuple(manual),
        proposal=proposal,
    )


def adopt(found: Adoption) -> None:
    """Write the proposal in the place of env.py.

    Raises:
        RefusedError: there is something that a person must decide, or nothing to propose.
        HeadwayError: it cannot be written.
    """
    if found.proposal is None or found.manual:
        reasons = "; ".join(found.manual) or "there is nothing to propose"
        raise RefusedError(
            f"{found.path} is left as it is: {reasons}",
            hint="Take the diff as a beginning, and say these things in your own words.",
        )
    try:
        replace_whole(found.path, found.proposal.encode())
    except OSError as error:
        raise HeadwayError(f"{found.path} cannot be written: {error.strerror}") from error


def _obstacle(project: Project) -> str | None:
    try:
        _ = AlembicProject(project).options
    except HeadwayError as error:
        return error.message
    return None


def _options(tree: ast.Module, text: str) -> tuple[list[str], list[str], list[str]]:
    """The options as source, what cannot be lifted out, and the local definitions that they need."""
    found: dict[str, str] = {}
    manual: list[str] = []
    lifted: dict[str, None] = {}
    # The branch with a connection says more, and says it last.
    calls = sorted(configure_calls(tree), key=lambda call: any(k.arg == "connection" for k in call.keywords))
    for call in calls:
        for keyword in call.keywords:
            if keyword.arg in IGNORED:
                continue
            name = keyword.arg or "**"
            try:
                needed = statements_needed(keyword.value, function_around(tree, call))
            except LookupError as error:
                manual.append(
                    f"line {keyword.value.lineno} takes {name} from {error.args[0]!r}, a name of its "
                    "connection code"
                )
                continue
            lifted |= dict.fromkeys(_dedented(text, statement) for statement in needed)
            found[name] = ast.unparse(keyword.value)
    metadata = found.pop("target_metadata", None)
    spread = found.pop("**", None)
    written = [f"{name}={value}" for name, value in found.items()]
    return (
        [
            *([metadata] if metadata not in {None, "None"} else []),
            *written,
            *([f"**{spread}"] if spread else []),
        ],
        manual,
        list(lifted),
    )


def _dedented(text: str, statement: ast.stmt) -> str:
    lines = text.splitlines()[statement.lineno - 1 : statement.end_lineno]
    return "\n".join(line[statement.col_offset :] for line in lines)


class _Rewriting:
    """One env.py on its way to hand over: what runs migrations goes, everything else stays as it is."""

    def __init__(self, tree: ast.Module, text: str) -> None:
        self._body = tree.body
        self._lines = text.splitlines()
        self._gone = self._running(tree.body)

    def proposal(self, options: Sequence[str], lifted: Sequence[str]) -> str:
        """The file that hands over with these options, after these definitions."""
        call = f"env.run({', '.join(options)})"
        if len(call) > 100:  # noqa: PLR2004  # columns
            call = "env.run(\n" + "".join(f"    {option},\n" for option in options) + ")"
        needed = _loaded(ast.parse("\n".join([*lifted, call])))
        self._prune(needed)
        kept = [statement for statement in self._body if statement not in self._gone]
        imports = [each for each in kept if isinstance(each, ast.Import | ast.ImportFrom)]
        after = imports[-1] if imports else (kept[0] if kept and _is_docstring(kept[0]) else None)
        gap = "\n\n" if lifted else "\n"
        parts: list[str] = [] if after is not None else ["from headway import env"]
        for statement in kept:
            parts.append(self._written(statement))
            if statement is after:
                parts.append("from headway import env")
        return _joined([*parts, *(f"\n\n{each}" for each in lifted), f"{gap}{call}"])

    def _running(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements that run migrations, and those that only call such."""
        names: set[str] = set()
        gone: list[ast.stmt] = []
        grown = True
        while grown:
            grown = False
            for statement in body:
                if statement in gone or isinstance(statement, ast.Import | ast.ImportFrom):
                    continue
                if _called(statement) & _RUNNING or _loaded(statement) & names:
                    gone.append(statement)
                    names |= {statement.name} if isinstance(statement, _DEFINITIONS) else set()
                    grown = True
        return gone

    def _prune(self, needed: set[str]) -> None:
        """What only the code that went away has used goes as well."""
        grown = True
        while grown:
            used_before = {name for each in self._gone for name in _loaded(each)}
            kept = [statement for statement in self._body if statement not in self._gone]
            grown = False
            for statement in kept:
                bound = _bound(statement)
                elsewhere = {name for each in kept if each is not statement for name in _loaded(each)}
                if bound and bound <= used_before and not bound & (needed | elsewhere):
                    self._gone.append(statement)
                    grown = True

    def _written(self, statement: ast.stmt) -> str:
        """A statement with the blank lines and comments above it, unless those spoke of what went away."""
        first = (
            min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))]) - 1
        )
        start = first
        while start and (
            not self._lines[start - 1].strip() or self._lines[start - 1].lstrip().startswith("#")
        ):
            start -= 1
        return "\n".join(self._lines[start : statement.end_lineno])


def _joined(parts: Sequence[str]) -> str:
    return "\n".join(parts).strip("\n") + "\n"


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _called(statement: ast.stmt) -> set[str]:
    functions = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in functions}


def _loaded(node: ast.AST) -> set[str]:
    return {
        each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, of those that only bind."""
    match statement:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).partition(".")[0] for alias in names}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.Assign(targets=targets) if all(isinstance(target, ast.Name) for target in targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()
