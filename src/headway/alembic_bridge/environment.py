"""A project as Alembic sees it: its Config, its ScriptDirectory, and what its env.py asks for."""

from __future__ import annotations

import io
import sys
import threading
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeAlias

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import MetaData

from headway.alembic_bridge.capturing import Asked, execute, options_of
from headway.alembic_bridge.hostlogging import host_logging_kept
from headway.alembic_bridge.routing import environment_of
from headway.alembic_bridge.sql_scripts import see_sql_revisions
from headway.autogenerate import plugin
from headway.autogenerate.hooks import Writing, render_item, writing
from headway.errors import ConfigurationError, EnvironmentFileError, HeadwayError
from headway.ledger import LedgerNames, ledger_filter
from headway.project import VersionTable, hands_over

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from headway.project import Project

TargetMetadata: TypeAlias = MetaData | Sequence[MetaData] | None

# Under this key of Config.attributes lies the list into which env.py's hand-over goes.
HANDOVER = "headway.handover"

HISTORY_OPTIONS = ("history_table", "history_schema", "history_view")
WRITING_OPTIONS = ("online", "drop_extensions")

# What headway decides itself; env.py has no say in it.
_RESERVED = frozenset(
    {
        "as_sql",
        "connection",
        "dialect",
        "dialect_name",
        "dialect_opts",
        "fn",
        "literal_binds",
        "target_metadata",
        "transaction_per_migration",
        "transactional_ddl",
        "url",
    }
)

# Alembic's reference documents the last three, which `configure` takes among its `**kw`.
_TAKEN = [
    *HISTORY_OPTIONS,
    *WRITING_OPTIONS,
    *sorted({*signature(EnvironmentContext.configure).parameters} - _RESERVED - {"self", "kw"}),
    *("version_table", "version_table_schema", "version_table_pk"),
]
_ALMOST = 0.85
"""Of difflib's ratio: two letters swapped in a name of ten are above it."""

# env.py files share module names and the project's models are imported by them: one at a time.
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class EnvironmentOptions:
    """What env.py handed over: the models' metadata and its options for ``context.configure``.

    ``writing`` is how autogenerate writes.
    """

    target_metadata: TargetMetadata = None
    options: Mapping[str, Any] = field(default_factory=dict)
    ledger: LedgerNames = field(default_factory=LedgerNames)
    writing: Writing = field(default_factory=Writing)

    @classmethod
    def of(cls, target_metadata: TargetMetadata, options: Mapping[str, Any]) -> EnvironmentOptions:
        """Tell headway's own options (``HISTORY_OPTIONS``, ``WRITING_OPTIONS``) from Alembic's.

        The ledger goes where the version table is unless told otherwise.

        Raises:
            ConfigurationError: a name is almost an option's: ``configure`` would take it without a word.
        """
        _refuse_misspelt(options)
        own = {name: options[name] for name in HISTORY_OPTIONS if name in options}
        usual = LedgerNames()
        names = LedgerNames(
            schema=own.get("history_schema", options.get("version_table_schema")),
            history=own.get("history_table", usual.history),
            view=own.get("history_view", usual.view),
        )
        writing = {name: bool(options[name]) for name in WRITING_OPTIONS if name in options}
        others = {name: options[name] for name in options if name not in {*own, *writing}}
        return cls(target_metadata, others, names, Writing(**writing))

    @classmethod
    def of_foreign(cls, given: Mapping[str, Any]) -> EnvironmentOptions:
        """The same from what an env.py gave to ``context.configure`` itself; any name will do there."""
        options = {name: value for name, value in given.items() if name not in _RESERVED}
        names = LedgerNames(schema=options.get("version_table_schema"))
        return cls(given.get("target_metadata"), options, names)

    @property
    def version_table(self) -> VersionTable:
        """Where the applied revisions are kept."""
        name = self.options.get("version_table") or VersionTable().name
        return VersionTable(name, self.options.get("version_table_schema"))

    def __post_init__(self) -> None:
        reserved = sorted(_RESERVED.intersection(self.options))
        if reserved:
            raise ConfigurationError(
                "env.py",
                f"headway.env.run() does not take {', '.join(reserved)}: headway decides that itself",
                example="env.run(Base.metadata, include_schemas=True)",
            )

    def configure(self, environment: EnvironmentContext, *, comparing: bool = True, **how: Any) -> None:
        """Configure a migration context with these options and headway's defaults.

        Args:
            environment: whose context it is.
            comparing: whether models may be compared, which loads what does so; else revisions are run.
            **how: what ``context.configure`` takes beside what an env.py gives.
        """
        plugin.register()
        if comparing:
            from headway.autogenerate import enums

            enums.activate()
        connection = how.get("connection")
        environment.configure(
            target_metadata=self.target_metadata,
            transaction_per_migration=True,
            # Alembic takes SQLite's DDL for what Python's driver makes of it; behind our door it is whole.
            transactional_ddl=True,
            **{
                # SQLite alters a table by making it anew.
                "render_as_batch": connection is not None and connection.dialect.name == "sqlite",
                "compare_type": True,
                "compare_server_default": True,
                "autogenerate_plugins": plugin.PLUGINS,
                **self.options,
                "include_object": ledger_filter(self.ledger, self.options.get("include_object")),
                "process_revision_directives": writing(
                    self.options.get("process_revision_directives"), self.writing
                ),
                "render_item": render_item(self.options.get("render_item")),
            },
            **how,
        )


def _failed(path: Path, failure: BaseException) -> EnvironmentFileError:
    error = EnvironmentFileError(
        f"{path} failed: {type(failure).__name__}: {failure}",
        hint="`headway -v status` shows the traceback.",
    )
    error.__cause__ = failure
    return error


def _refuse_misspelt(options: Mapping[str, Any]) -> None:
    """Refuse what is almost an option; what is like none is the project's own, for its hooks to find."""
    for name in options.keys() - {*_TAKEN, *_RESERVED}:
        from difflib import get_close_matches

        close = get_close_matches(name, _TAKEN, n=1, cutoff=_ALMOST)
        if close:
            raise ConfigurationError(
                "env.py",
                f"headway.env.run() knows no {name}; did you mean {close[0]}?",
                example=f"env.run(Base.metadata, {close[0]}=…)",
            )


class AlembicProject:
    """One project's Alembic objects, made once and kept.

    Building it imports nothing of the project's and opens no revision file.
    """

    def __init__(self, project: Project, *, x_arguments: Sequence[str] = ()) -> None:
        self.project = project
        self.config = Config(
            file_=project.config_file,
            toml_file=project.pyproject,
            ini_section=project.section,
            cmd_opts=Namespace(x=list(x_arguments), quiet=True),
            output_buffer=io.StringIO(),
        )
        self._options: EnvironmentOptions | None = None
        if project.plain_sql and not project.script_location.is_dir():
            raise ConfigurationError(
                str(project.script_location),
                "there is no such folder of SQL revisions; `headway revision` makes it with the first one",
            )
        self._pin_paths()
        try:
            self.script = ScriptDirectory.from_config(self.config)
        except CommandError as error:
            where = project.config_file or project.pyproject
            raise ConfigurationError(str(where), str(error)) from None
        see_sql_revisions(self.script)
        # Alembic prepends prepend_sys_path anew each time; once is enough for a process that lives long.
        sys.path[:] = dict.fromkeys([*map(str, project.sys_path), *sys.path])

    def _pin_paths(self) -> None:
        """Give Alembic the paths that `Project` found: its own reading depends on the working directory."""
        project = self.project
        for option, paths in {
            "script_location": [project.script_location],
            "version_locations": project.version_locations,
            "prepend_sys_path": project.sys_path,
        }.items():
            # `%` begins an interpolation in a configuration file.
            self.config.set_main_option(option, "\n".join(map(str, paths)).replace("%", "%%"))
        self.config.set_main_option("path_separator", "newline")

    @property
    def options(self) -> EnvironmentOptions:
        """What env.py hands over; runs env.py once, without a connection, whichever threads ask for it.

        Raises:
            EnvironmentFileError: env.py is missing, fails, or does not call ``headway.env.run`` and it
                cannot be told what it gives to ``context.configure``.
        """
        # The hand-over lies in the Config while env.py runs, so only one thread at a time may be at it.
        with _loading:
            if self._options is None:
                self._options = self._run_environment_file()
        return self._options

    def _run_environment_file(self) -> EnvironmentOptions:
        path = self.project.env_file
        if not self.project.runs_env_file:
            return EnvironmentOptions()
        if not path.is_file():
            raise EnvironmentFileError(
                f"{path} does not exist",
                hint="It is three lines: import headway's env and your models, call env.run(Base.metadata).",
            )
        handed: list[EnvironmentOptions] = []
        self.config.attributes[HANDOVER] = handed
        # Offline mode keeps an env.py that was not written for headway from opening a connection.
        asked = Asked(self.config, self.script)
        names: dict[str, Any] = {}
        failure: BaseException | None = None
        try:
            with host_logging_kept(), environment_of(asked.environment):
                execute(path, names)
        except HeadwayError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it is judged below
            failure = error
        finally:
            del self.config.attributes[HANDOVER]
        if handed:
            return handed[0]
        # What an env.py that is not headway's trips over offline is beside the point, if enough of it ran.
        if failure is not None and hands_over(path):
            raise _failed(path, failure)
        try:
            given = options_of(path, asked, names)
        except EnvironmentFileError:
            if failure is None or asked.configured:
                raise
            raise _failed(path, failure) from failure
        return EnvironmentOptions.of_foreign(given)

    def on(self, connection: Connection, *, comparing: bool = True) -> EnvironmentContext:
        """A configured environment for ``connection``, with no step to run of Alembic's own.

        ``comparing`` is as in :meth:`EnvironmentOptions.configure`.
        """
        environment = EnvironmentContext(self.config, self.script, fn=lambda *_: [])
        self.options.configure(environment, comparing=comparing, connection=connection)
        return environment
