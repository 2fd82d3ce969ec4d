"""The checks of migrations as pytest's items: ``headway::single_head``, ``headway::rows_preserved[1a2b]``.

``headway.pytest_plugin`` registers the hooks when the suite asks for checks.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headway.errors import CapabilityError, GraphError, HeadwayError
from headway.project import Project, load_project
from headway.testing import checks
from headway.testing.checks.files import graph_of
from headway.testing.private_loop import PrivateLoop
from headway.testing.suite import open_any
from headway.testing.template import ANOTHER_SERVER
from headway.testing.wishes import Isolation

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from headway.migrator import Migrator
    from headway.testing.suite import AnySuite
    from headway.testing.wishes import Wishes

MARKER = "headway_checks"
ALL = "all"
_UNFILLED = "headway_unfilled"

_OF_FILES: dict[str, Callable[[Project], None]] = {
    "single_head": checks.single_head,
    "revision_files": checks.revision_files,
}
_OF_EACH_FILE: dict[str, Callable[[Project, str], None]] = {"offline_sql": checks.offline_sql}
_OF_DATABASE: dict[str, Callable[[Migrator], Coroutine[Any, Any, Any]]] = {
    "models_match": checks.models_match,
    "whole_history": checks.whole_history,
}
_OF_EACH_REVISION: dict[str, Callable[[Migrator, str], Coroutine[Any, Any, Any]]] = {
    "upgrade_downgrade": checks.upgrade_downgrade,
    "rows_preserved": checks.rows_preserved,
}
NAMES = (*_OF_FILES, *_OF_EACH_FILE, "upgrade_downgrade", "models_match", "whole_history", "rows_preserved")
# At the end of its walk the database is at head, where the models are compared.
_SHARED = {"models_match": "upgrade_downgrade"}


class ChecksPlugin:
    """The hooks of a suite that asks for checks.

    Args:
        config: pytest's.
        wishes: what the suite asks for; called when the first database is needed.

    Raises:
        pytest.UsageError: a name is none of :data:`NAMES`.
    """

    def __init__(self, config: pytest.Config, wishes: Callable[[], Wishes]) -> None:
        said = config.getoption("headway_checks")
        names: list[str] = said.replace(",", " ").split() if said else config.getini("headway_checks")
        unknown = sorted({*names} - {ALL, *NAMES})
        if unknown:
            known = ", ".join((ALL, *NAMES))
            raise pytest.UsageError(
                f"headway_checks: no check is called {', '.join(unknown)}; there are {known}"
            )
        self._anywhere = bool(said)
        self._names = NAMES if ALL in names else tuple(dict.fromkeys(names))
        self._databases = Databases(wishes)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Add the checks, unless the command line names nothing but single files or tests."""
        if self._anywhere or any(map(_is_folder, config.args)):
            collector = Checks.from_parent(
                session, name="headway", nodeid="headway", names=self._names, databases=self._databases
            )
            report = session.ihook.pytest_make_collect_report(collector=collector)
            session.ihook.pytest_collectreport(report=report)
            items.extend(report.result if report.passed else ())

    def pytest_sessionfinish(self) -> None:
        """Drop the databases."""
        self._databases.close()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say which tables could not be filled, and so were not looked after."""
        reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, [])]
        told = [told for report in reports for told in getattr(report, "user_properties", ())]
        found = dict.fromkeys(what for name, what in told if name == _UNFILLED)
        if found:
            terminalreporter.section("headway: tables that rows_preserved could not fill")
            for what in found:
                terminalreporter.write_line(what)


def _is_folder(argument: str) -> bool:
    return "::" not in argument and not Path(argument).is_file()


@dataclass(frozen=True, slots=True)
class _Opened:
    migrator: Migrator
    closing: ExitStack


class Databases:
    """A database for each check that needs one, made at first need and kept while the check goes forward."""

    def __init__(self, wishes: Callable[[], Wishes]) -> None:
        self.wishes = wishes
        self._stack = ExitStack()
        self._suite: AnySuite | None = None
        self._loop: PrivateLoop | None = None
        self._opened: dict[str, _Opened] = {}
        self._last: dict[str, int] = {}

    def run(self, check: str, place: int, work: Callable[[Migrator], Coroutine[Any, Any, Any]]) -> Any:
        """Do a check's work on its database.

        Args:
            check: its name.
            place: how far the database comes by it; one that is not further than before gets a new one.
            work: the work.
        """
        key = _SHARED.get(check, check)
        if place <= self._last.get(key, -1):
            self._drop(key)
        migrator = self._migrator(key)
        self._last[key] = place
        if self._loop is None:
            self._loop = PrivateLoop()
            self._stack.callback(self._loop.close)
        try:
            return self._loop.run(work(migrator))
        except BaseException:
            self._drop(key)
            raise

    def close(self) -> None:
        """Drop them all and let go of the server."""
        for key in list(self._opened):
            self._drop(key)
        self._stack.close()

    def _drop(self, key: str) -> None:
        opened = self._opened.pop(key, None)
        self._last.pop(key, None)
        if opened is not None:
            opened.closing.close()

    def _migrator(self, key: str) -> Migrator:
        if key not in self._opened:
            if self._suite is None:
                wishes = self.wishes()
                # Beside the fixtures' suite, which drops at its end what is its worker's.
                own = replace(wishes, worker=f"{wishes.worker}checks")
                self._suite = self._stack.enter_context(open_any(own))
            closing = ExitStack()
            database = closing.enter_context(self._suite.database(f"check_{key}", Isolation.CLONE, "base"))
            migrator = self._suite.migrator(database)
            self._opened[key] = _Opened(migrator, closing)
        return self._opened[key].migrator


class Checks(pytest.Collector):
    """What is asked for, of the project that the suite belongs to."""

    def __init__(self, *, names: Sequence[str], databases: Databases, **rest: Any) -> None:
        super().__init__(**rest)
        self._names = names
        self._databases = databases

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each check, or for each check and revision."""
        wishes = self._databases.wishes()
        try:
            project = load_project(wishes.config, start=Path(wishes.root))
        except HeadwayError as error:
            raise self.CollectError(str(error)) from None
        revisions = _revisions(project)
        for name in self._names:
            yield from self._items(name, project, revisions)

    def _items(self, name: str, project: Project, revisions: list[str]) -> Iterator[pytest.Item]:
        if name in _OF_FILES:
            yield self._item(name, partial(_OF_FILES[name], project))
        elif name in _OF_EACH_FILE:
            for id_ in revisions:
                yield self._item(f"{name}[{id_}]", partial(_OF_EACH_FILE[name], project, id_))
        elif name in _OF_DATABASE:
            work = _OF_DATABASE[name]
            yield self._item(name, partial(self._databases.run, name, len(revisions), work))
        else:
            check = _OF_EACH_REVISION[name]
            for place, id_ in enumerate(revisions):
                work = partial(_called, check, id_)
                yield self._item(f"{name}[{id_}]", partial(self._databases.run, name, place, work))

    def _item(self, name: str, call: Callable[[], Any]) -> CheckItem:
        return CheckItem.from_parent(self, name=name, call=call)


def _called(
    check: Callable[[Migrator, str], Coroutine[Any, Any, Any]], revision: str, migrator: Migrator
) -> Coroutine[Any, Any, Any]:
    return check(migrator, revision)


def _revisions(project: Project) -> list[str]:
    """Oldest first; none where the files form no graph, which the checks of files tell."""
    try:
        return list(graph_of(project).revisions)
    except GraphError:
        return []


class CheckItem(pytest.Item):
    """One check, of one revision or of all."""

    def __init__(self, *, call: Callable[[], Any], **rest: Any) -> None:
        super().__init__(**rest)
        self._call = call
        self.add_marker(MARKER)

    def runtest(self) -> None:
        """Run it; what it does not apply to is skipped, with the reason."""
        try:
            result = self._call()
        except checks.NotApplicableError as error:
            pytest.skip(str(error))
        for table, why in getattr(result, "unfilled", {}).items():
            self.user_properties.append((_UNFILLED, f"{table}: {why}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong with the migrations, without how we came to know."""
        error = excinfo.value
        if isinstance(error, CapabilityError) and error.capability.startswith("extension "):
            return f"{error.message}\nhint: {ANOTHER_SERVER}"
        if isinstance(error, HeadwayError):
            return str(error)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is reported."""
        return self.path, None, self.nodeid
