"""The project's Alembic configuration, read without Alembic and without running anything.

``alembic.ini`` and ``[tool.alembic]`` of ``pyproject.toml`` mean here what they mean to Alembic 1.20
(``alembic/config.py``, ``alembic/script/base.py``), with three deliberate differences:

* a ``%`` that is no interpolation is itself, where Alembic's ConfigParser raises an error that prints the
  value, password included;
* a relative path belongs to the configuration file's folder when it exists there, and to the working
  directory only when it does not, so that commands work from any directory;
* UTF-8 is read whatever the locale, with or without a byte order mark.
"""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headway.errors import ConfigurationError
from headway.project import packages, sqlfolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headway.project.envfile import VersionTable

__all__ = ["Project", "load_project", "project_of_config"]

INI = "alembic.ini"
PYPROJECT = "pyproject.toml"

_REFERENCE = re.compile(r"%%|%\(([^)]+)\)s")
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_LEGACY_LOCATIONS = re.compile(r", *| +")
_LEGACY_SYS_PATH = re.compile(r", *| +|:")
_DEEPEST_REFERENCE = 10  # configparser.MAX_INTERPOLATION_DEPTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where a project keeps its migrations.

    Attributes:
        root: folder of the configuration file.
        config_file: ``alembic.ini``; ``None`` when there is only ``pyproject.toml``.
        pyproject: ``pyproject.toml``; ``None`` when it has no ``[tool.alembic]``.
        section: the ini file's section.
        script_location: folder of ``env.py``; it exists.
        version_locations: folders of revision files; they need not exist yet.
        recursive: whether their subfolders count.
        sourceless: whether ``.pyc`` files without source count.
        sys_path: folders that go in front of ``sys.path``.
        url: ``sqlalchemy.url`` of the ini file; ``None`` when absent or empty. May hold a password.
        plain_sql: whether there is no Alembic configuration, only a folder of SQL revisions, which is
            ``script_location`` too; that one need not exist yet.
    """

    root: Path
    config_file: Path | None
    pyproject: Path | None
    section: str = "alembic"
    script_location: Path
    version_locations: tuple[Path, ...]
    recursive: bool
    sourceless: bool
    sys_path: tuple[Path, ...]
    url: str | None = field(repr=False)
    plain_sql: bool = False

    @property
    def env_file(self) -> Path:
        """``env.py``; it need not exist."""
        return self.script_location / "env.py"

    @property
    def lock_file(self) -> Path:
        """``versions.lock``, beside ``env.py``: one for all version locations; it need not exist."""
        return self.script_location / "versions.lock"

    def version_table(self) -> VersionTable | None:
        """Where ``env.py`` says that the applied revisions are kept, read without running it.

        Returns:
            ``None`` when only running it can tell.
        """
        from headway.project import envfile  # a probe whose answer is known need not read it

        if not self.runs_env_file:
            return envfile.VersionTable()
        return envfile.version_table(self.env_file)

    @property
    def runs_env_file(self) -> bool:
        """Whether ``env.py`` has a say; a folder of SQL revisions needs none."""
        return not self.plain_sql or self.env_file.is_file()


def load_project(
    config: Path | str | None = None,
    *,
    start: Path | None = None,
    section: str = "alembic",
    directory: Path | str | None = None,
) -> Project:
    """Find and read the project's configuration.

    Args:
        config: ``alembic.ini`` (whatever its name), ``pyproject.toml``, or the folder that holds them, or one
            of SQL revisions without either; with ``None``, the first of ``start`` and its parents that holds
            either, or a folder ``migrations`` of SQL revisions.
        start: where the search begins; the working directory by default.
        section: section of the ini file (``alembic --name``).
        directory: a folder of SQL revisions, in place of ``config``; it may be empty, and need not exist yet.

    Raises:
        ConfigurationError: no configuration was found, it cannot be read, or it names no existing
            ``script_location``.
    """
    if not isinstance(config, str | os.PathLike | None):
        raise ConfigurationError(
            "project",
            f"a {type(config).__name__} names none; give a path: alembic.ini, pyproject.toml or their folder",
            example='Migrator("alembic.ini")',
        )
    folder = _sql_folder(config, directory, start or Path.cwd())
    return _alembic_project(config, start, section) if folder is None else folder


def _alembic_project(config: Path | str | None, start: Path | None, section: str) -> Project:
    sources = (
        _Sources.at(Path(config), section)
        if config is not None
        else _Sources.search(start or Path.cwd(), section)
    )
    location = sources.text("script_location")
    if not location:
        raise ConfigurationError(
            sources.label, "script_location is not set", example="script_location = %(here)s/alembic"
        )
    sys_path = tuple(sources.path(entry) for entry in sources.listed("prepend_sys_path", _LEGACY_SYS_PATH))
    script_location = sources.resource("script_location", location, sys_path)
    if not script_location.is_dir():
        raise ConfigurationError(
            sources.label, f"script_location: there is no folder {script_location}", example="headway -c PATH"
        )
    locations = sources.listed("version_locations", _LEGACY_LOCATIONS)
    return Project(
        root=sources.root,
        config_file=sources.ini_file,
        pyproject=sources.toml_file,
        section=section,
        script_location=script_location,
        version_locations=tuple(sources.resource("version_locations", entry, sys_path) for entry in locations)
        or (script_location / "versions",),
        recursive=sources.flag("recursive_version_locations"),
        sourceless=sources.flag("sourceless"),
        sys_path=sys_path,
        url=(sources.ini.get("sqlalchemy.url") or "").strip() or None,
    )


def _sql_folder(config: Path | str | None, directory: Path | str | None, start: Path) -> Project | None:
    """The folder of SQL revisions that is meant; ``None`` when an Alembic configuration is, or nothing."""
    if directory is not None:
        if config is not None:
            raise ConfigurationError(
                "--directory", "there is a configuration file as well; name one of the two"
            )
        folder = Path(directory).absolute()
        return _of_sql(folder, sqlfolder.root_of(folder))
    if config is not None:
        folder = Path(config).absolute()
        bare = folder.is_dir() and not _Sources.are_in(folder)
        return (
            _of_sql(folder, sqlfolder.root_of(folder)) if bare and sqlfolder.holds_revisions(folder) else None
        )
    for place in (start.absolute(), *start.absolute().parents):
        if _Sources.are_in(place):
            return None
        if sqlfolder.holds_revisions(place / sqlfolder.USUAL):
            return _of_sql(place / sqlfolder.USUAL, place)
    return None


def _of_sql(folder: Path, root: Path) -> Project:
    return Project(
        root=root,
        config_file=None,
        pyproject=None,
        script_location=folder,
        version_locations=(folder,),
        recursive=False,
        sourceless=False,
        sys_path=(),
        url=None,
        plain_sql=True,
    )


def project_of_config(config_file: str | None, toml_file: str | None, *, section: str = "alembic") -> Project:
    """Read the project that an ``alembic.config.Config`` stands for.

    Alembic's command line sets both names whether the files exist or not (``alembic/config.py``,
    ``_inis_from_config``), and a missing one counts as empty.

    Args:
        config_file: ``Config.config_file_name``.
        toml_file: ``Config.toml_file_name``.
        section: ``Config.config_ini_section``.

    Returns:
        The project of the first file that exists; with no name at all, that found from the working directory.

    Raises:
        ConfigurationError: as :func:`load_project` does; neither exists, for one.
    """
    named = [name for name in (config_file, toml_file) if name is not None]
    existing = (name for name in named if Path(name).is_file())
    return load_project(next(existing, named[0] if named else None), section=section)


class _Sources(NamedTuple):
    """Both files' values, interpolated. The ini file's go first, as in Alembic."""

    root: Path
    ini_file: Path | None
    toml_file: Path | None
    ini: Mapping[str, str] = field(repr=False)
    toml: Mapping[str, Any] = field(repr=False)

    @staticmethod
    def are_in(folder: Path) -> bool:
        """Whether a folder holds an Alembic configuration."""
        return (folder / INI).is_file() or _read_toml(folder / PYPROJECT) is not None

    @classmethod
    def search(cls, start: Path, section: str) -> _Sources:
        for folder in (start.absolute(), *start.absolute().parents):
            if cls.are_in(folder):
                return cls._read(folder / INI, folder / PYPROJECT, section)
        raise ConfigurationError(
            INI,
            f"no alembic.ini, no pyproject.toml with [tool.alembic] and no folder {sqlfolder.USUAL} of SQL "
            f"revisions in {start.absolute()} or above it; run inside the project, or name it",
            example="headway -c PATH status",
        )

    @classmethod
    def at(cls, path: Path, section: str) -> _Sources:
        path = path.absolute()
        folder = path if path.is_dir() else path.parent
        ini = path if path.is_file() and path.suffix != ".toml" else folder / INI
        toml = path if path.suffix == ".toml" else folder / PYPROJECT
        found = path.exists() and (ini.is_file() or _read_toml(toml) is not None)
        if not found:
            what = "no alembic.ini and no [tool.alembic]" if path.exists() else "no such file or folder"
            raise ConfigurationError(
                str(path),
                f"{what}; name the project's configuration",
                example="headway -c alembic.ini status",
            )
        return cls._read(ini, toml, section)

    @classmethod
    def _read(cls, ini: Path, toml: Path, section: str) -> _Sources:
        table = _read_toml(toml)
        options = _read_ini(ini, section) if ini.is_file() else None
        if options is None and table is None:
            raise ConfigurationError(str(ini), f"there is no section [{section}]", example=f"[{section}]")
        return cls(
            root=ini.parent if ini.is_file() else toml.parent,
            ini_file=ini if ini.is_file() else None,
            toml_file=toml if table is not None else None,
            ini=options or {},
            toml=_interpolated(table or {}, toml.parent),
        )

    @property
    def label(self) -> str:
        return str(self.ini_file or self.toml_file)

    def text(self, name: str) -> str | None:
        value = self.ini.get(name, self.toml.get(name))
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(str(self.toml_file), f"{name} must be a string", example=f'{name} = "…"')
        return value

    def flag(self, name: str) -> bool:
        """Only ``true``, in lower case, is true in the ini file: Alembic's rule."""
        if name in self.ini:
            return self.ini[name] == "true"
        value = self.toml.get(name, False)
        if not isinstance(value, bool):
            raise ConfigurationError(
                str(self.toml_file), f"{name} must be true or false", example=f"{name} = true"
            )
        return value

    def listed(self, name: str, legacy: re.Pattern[str]) -> tuple[str, ...]:
        """A list of paths: split by ``path_separator`` in the ini file, a list in TOML.

        Without any separator the ini file's old rule holds, which is ``legacy``.
        """
        text = self.ini.get(name)
        if not text:
            return self._toml_list(name)
        names = (
            ("path_separator", "version_path_separator")
            if name == "version_locations"
            else ("path_separator",)
        )
        chosen = next((option for option in names if option in self.ini), None)
        if chosen is None:
            return tuple(entry for entry in legacy.split(text) if entry)
        if self.ini[chosen] not in _SEPARATORS:
            raise ConfigurationError(
                self.label, f"{chosen} must be one of {', '.join(_SEPARATORS)}", example=f"{chosen} = os"
            )
        entries = text.split(_SEPARATORS[self.ini[chosen]])
        return tuple(entry.strip() for entry in entries if entry.strip())

    def _toml_list(self, name: str) -> tuple[str, ...]:
        value = self.toml.get(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise ConfigurationError(
                str(self.toml_file), f"{name} must be a list of strings", example=f'{name} = ["."]'
            )
        return tuple(value)

    def path(self, text: str) -> Path:
        beside = self.root / text
        return Path(
            os.path.normpath(beside if beside.exists() or not Path(text).exists() else Path(text).absolute())
        )

    def resource(self, name: str, text: str, sys_path: tuple[Path, ...]) -> Path:
        """A path, or ``package:folder`` as Alembic takes it: relative and with a colon."""
        if Path(text).is_absolute() or ":" not in text:
            return self.path(text)
        package, *folders = text.split(":")
        found = packages.folder_of(package, sys_path, *folders)
        if found is None:
            raise ConfigurationError(
                self.label,
                f"{name}: the package {package!r} cannot be found",
                example=f"{name} = %(here)s/alembic",
            )
        return found


def _read_ini(path: Path, section: str) -> dict[str, str] | None:
    """The section's options, interpolated; ``None`` when there is no such section.

    Only the line's number is told of an error: configparser's own messages print the line.
    """
    parser = configparser.RawConfigParser(defaults={"here": path.parent.as_posix()})
    line: int | None = None
    try:
        parser.read_string(_read_text(path))
    except configparser.ParsingError as error:  # MissingSectionHeaderError is one
        line = (
            error.lineno if isinstance(error, configparser.MissingSectionHeaderError) else error.errors[0][0]
        )
        problem = "is neither a [section], name = value nor a comment"
    except configparser.DuplicateOptionError as error:
        line, problem = error.lineno or 0, f"sets {error.option} for the second time"
    except configparser.DuplicateSectionError as error:
        line, problem = error.lineno or 0, f"opens [{error.section}] for the second time"
    else:
        if not parser.has_section(section):
            return None
        options = dict(parser.items(section))
        return {name: _substitute(value, options.get) for name, value in options.items()}
    raise ConfigurationError(
        str(path), f"line {line} {problem}", example="script_location = %(here)s/alembic"
    )


def _read_toml(path: Path) -> dict[str, Any] | None:
    """``[tool.alembic]``; ``None`` when there is none."""
    if not path.is_file():
        return None
    import tomllib  # what has no pyproject.toml does not pay for it

    try:
        table = tomllib.loads(_read_text(path)).get("tool", {}).get("alembic")
    except tomllib.TOMLDecodeError as error:
        problem = (
            f"it is not valid TOML: {error}"  # tells the line, and no more of it than one character or key
        )
    else:
        if table is None or isinstance(table, dict):
            return table
        problem = "tool.alembic must be a table"
    raise ConfigurationError(str(path), problem, example="[tool.alembic]")


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(path), f"it cannot be read ({error.strerror})") from None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigurationError(str(path), f"line {line} is not UTF-8 text; save the file as UTF-8")


def _substitute(text: str, lookup: Callable[[str], str | None], depth: int = 0) -> str:
    """Undo interpolation: ``%(name)s`` and ``%%``. What cannot be resolved stays as it is."""

    def replacement(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        value = lookup(match[1].lower()) if depth < _DEEPEST_REFERENCE else None
        return match[0] if value is None else _substitute(value, lookup, depth + 1)

    return _REFERENCE.sub(replacement, text)


def _interpolated(table: Mapping[str, Any], here: Path) -> dict[str, Any]:
    def of(value: Any) -> Any:
        if isinstance(value, str):
            return _substitute(value, {"here": here.as_posix()}.get)
        return [of(entry) for entry in value] if isinstance(value, list) else value

    return {name: of(value) for name, value in table.items()}
