"""An env.py that calls ``context.configure`` itself: what it asks for is taken, its connection is not used.

It runs offline, so that it opens no connection, with ``configure`` noting what it is given. What its online
branch gives besides is read from the source and evaluated in the file's own namespace. What cannot be known
that way is refused, and never guessed: a filter or a schema that is left out changes what a command does.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from typing import TYPE_CHECKING, Any

from alembic.runtime.environment import EnvironmentContext

from headway.errors import EnvironmentFileError
from headway.project.asking import (
    IGNORED,
    function_around,
    online_calls,
    own_sql,
    statements_needed,
    wording,
)
from headway.syntax import tree_of

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.config import Config
    from alembic.script import ScriptDirectory

_POSITIONAL = [*signature(EnvironmentContext.configure).parameters][1:]
_WAY_OUT = (
    "Hand over to headway instead, which `headway init` proposes as a diff: `from headway import env`, then "
    "`env.run(target_metadata, …)` with the options of context.configure."
)


class Asked:
    """What an env.py asks of ``context.configure`` while it runs offline; there is no step to run.

    Attributes:
        given: keyword arguments of every call, later ones last.
        configured: whether there was a call.
        environment: in which env.py is to run.
    """

    def __init__(self, config: Config, script: ScriptDirectory) -> None:
        self.given: dict[str, Any] = {}
        self.configured = False
        self.environment = EnvironmentContext(config, script, fn=lambda *_: [], as_sql=True)
        self._configure = self.environment.configure
        # On this one object: Alembic's proxy of the module knows EnvironmentContext itself and no subclass.
        self.environment.configure = self._note  # type: ignore[method-assign]

    def _note(self, *arguments: Any, **options: Any) -> None:
        """Note the arguments; the context that env.py goes on with is offline, whatever it asked for."""
        self.configured = True
        self.given |= {**dict(zip(_POSITIONAL, arguments, strict=False)), **options}
        self._configure(
            dialect_name="postgresql",
            dialect_opts={"paramstyle": "named"},
            literal_binds=True,
            output_buffer=io.StringIO(),
            target_metadata=self.given.get("target_metadata"),
        )


def execute(path: Path, namespace: dict[str, Any]) -> None:
    """Run a file as Alembic does, and leave its names in ``namespace`` however far it comes."""
    spec = spec_from_file_location("env_py", path)
    if spec is None or spec.loader is None:  # never: it is a .py file
        raise EnvironmentFileError(f"{path} cannot be loaded")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        namespace |= vars(module)


def options_of(path: Path, asked: Asked, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What a foreign env.py asks for, ``target_metadata`` included, without what is headway's business.

    Args:
        path: env.py, which has run.
        asked: what it asked for.
        namespace: its names.

    Returns:
        Keyword arguments for ``configure``.

    Raises:
        EnvironmentFileError: it configures nothing, or it cannot be told what.
    """
    tree = tree_of(path.read_bytes())
    for line, does in own_sql(tree):
        raise EnvironmentFileError(
            f"{path}:{line} {does}, which headway's own connection would not do", hint=_WAY_OUT
        )
    # The same words twice are one: a lambda would not equal itself.
    calls = {wording(call): call for call in online_calls(tree)}
    found = [_evaluated(path, call, tree, namespace) for call in calls.values()]
    if not asked.configured and not found:
        raise EnvironmentFileError(
            f"{path} does not hand over to headway, and calls no context.configure(connection=…) either",
            hint="Replace what runs the migrations in it by:\n"
            "    from headway import env\n"
            "    env.run(target_metadata)",
        )
    if any(each != found[0] for each in found[1:]):
        raise EnvironmentFileError(
            f"{path} configures several contexts, and not alike: for several databases, it seems",
            hint="headway migrates one database at a time: give each an alembic.ini section and an env.py.",
        )
    given = {**asked.given, **(found[0] if found else {})}
    return {name: value for name, value in given.items() if name not in IGNORED}


def _evaluated(path: Path, call: ast.Call, tree: ast.Module, namespace: Mapping[str, Any]) -> dict[str, Any]:
    scope = function_around(tree, call)
    given: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg in IGNORED:
            continue
        value = _value(path, keyword, scope, namespace)
        if keyword.arg is not None:
            given[keyword.arg] = value
        elif isinstance(value, Mapping):
            given |= value
    return given


def _value(path: Path, keyword: ast.keyword, scope: ast.AST | None, namespace: Mapping[str, Any]) -> Any:
    names = dict(namespace)
    try:
        for statement in statements_needed(keyword.value, scope):
            # The project's own code, which has just been run; here once more, by itself.
            exec(compile(ast.Module([statement], []), str(path), "exec"), names)  # noqa: S102
        expression = ast.Expression(keyword.value)
        return eval(compile(expression, str(path), "eval"), names)  # noqa: S307  # as above
    except Exception as error:
        what = f"**{ast.unparse(keyword.value)}" if keyword.arg is None else keyword.arg
        raise EnvironmentFileError(
            f"{path}:{keyword.value.lineno} gives context.configure {what}, which only its own connection "
            f"code can tell ({type(error).__name__})",
            hint=_WAY_OUT,
        ) from error
