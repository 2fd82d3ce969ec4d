"""The application's logging configuration is what it was, whatever headway did in its process."""

from __future__ import annotations

import logging
import logging.config
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import alembic
import pytest
from alembic import command
from alembic.config import Config

from headway import Migrator, StepFailedError
from headway.alembic_bridge.hostlogging import host_logging_kept
from headway.asgi import lifespan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ProjectFolder

ALEMBICS_TEMPLATES = Path(alembic.__file__).parent / "templates"

NO_SUCH_FILE = (KeyError, FileNotFoundError)  # the first until Python 3.12

# What `alembic init` writes into env.py before all else, and people keep.
STOCK = """
from logging.config import fileConfig

from alembic import context

config = context.config
if config.config_file_name is not None:
    fileConfig(config.config_file_name)
"""


def logging_sections() -> str:
    """The logging sections of the alembic.ini that `alembic init` writes."""
    text = (ALEMBICS_TEMPLATES / "async" / "alembic.ini.mako").read_text(encoding="utf-8")
    return text[text.index("[loggers]") :]


def picture() -> dict[str, Any]:
    """All that configures logging, by the logger's name."""
    everything: dict[str, Any] = {
        name: (
            (logger.level, logger.disabled, logger.propagate, [*logger.handlers], [*logger.filters])
            if isinstance(logger, logging.Logger)
            else None
        )
        for name, logger in [("root", logging.getLogger()), *logging.root.manager.loggerDict.items()]
    }
    handlers = {
        repr(handler): (
            handler.level,
            handler.formatter,
            [*handler.filters],
            getattr(handler, "_closed", None),
        )
        for logger in [logging.getLogger(), *logging.root.manager.loggerDict.values()]
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
    }
    return everything | {
        "handlers": handlers,
        "threshold": logging.root.manager.disable,
        "logger class": logging.getLoggerClass(),
        "record factory": logging.getLogRecordFactory(),
    }


@pytest.fixture
def application(tmp_path: Path) -> Iterator[None]:
    """An application that has configured its logging, and does not want it to change."""
    own, library = logging.getLogger("shop"), logging.getLogger("alembic")
    handler = logging.FileHandler(tmp_path / "shop.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("shop: %(message)s"))
    logging.getLogger().addHandler(handler)
    own.setLevel(logging.DEBUG)
    own.addFilter(lambda _: True)
    library.propagate = False
    library.setLevel(logging.ERROR)
    yield
    logging.getLogger().removeHandler(handler)
    handler.close()
    own.setLevel(logging.NOTSET)
    own.filters.clear()
    library.propagate = True
    library.setLevel(logging.NOTSET)


@pytest.fixture
def with_sections(project: ProjectFolder) -> ProjectFolder:
    """A project whose alembic.ini says how to log, as those of `alembic init` do."""
    project.tables("a", "b")
    with project.ini.open("a", encoding="utf-8") as ini:
        ini.write(logging_sections())
    return project


def assert_unchanged(before: dict[str, Any]) -> None:
    after = picture()
    assert {name: after.get(name) for name in before} == before
    # A module that was imported meanwhile may have made loggers; none of them is configured.
    for name in after.keys() - before.keys():
        assert after[name] in (None, (logging.NOTSET, False, True, [], [])), name


async def use_all_of(migrator: Migrator, project: ProjectFolder) -> None:
    """Everything in which env.py or a revision is run."""
    async with lifespan(migrator, "upgrade")(object()):
        pass
    async with migrator.startup("check", background=True) as startup:
        await startup.wait()
    await migrator.upgrade()
    await migrator.status()
    await migrator.check()
    await migrator.downgrade()
    await migrator.stamp("head")
    await migrator.sql()
    await migrator.log()
    project.revision("r3", "r2", upgrade="op.execute('SELECT 1/0')")
    with pytest.raises(StepFailedError):
        await migrator.upgrade()


@pytest.mark.asyncio
@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("preamble", ["", STOCK], ids=["three lines", "with what alembic init wrote"])
async def test_the_migrator_leaves_the_applications_logging_as_it_was(
    with_sections: ProjectFolder, database_url: str, tmp_path: Path, preamble: str
) -> None:
    with_sections.env("metadata", f"{preamble}\nfrom sqlalchemy import MetaData\nmetadata = MetaData()\n")
    before = picture()
    async with Migrator(with_sections.ini, url=database_url) as migrator:
        await use_all_of(migrator, with_sections)
    assert_unchanged(before)
    logging.getLogger("shop").warning("still here")
    assert "shop: still here\n" in (tmp_path / "shop.log").read_text(encoding="utf-8")


@pytest.mark.usefixtures("application")
def test_alembics_commands_from_code_leave_it_as_it_was(
    with_sections: ProjectFolder, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    before = picture()
    config = Config(with_sections.ini)
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head", sql=True)
    assert_unchanged(before)


@pytest.mark.usefixtures("application")
def test_the_trap_is_one(with_sections: ProjectFolder) -> None:
    """Without headway's care, what the tests above look at changes."""
    before, root = picture(), logging.getLogger()
    handlers, level = [*root.handlers], root.level
    was_disabled = {name for name, logger in logging.root.manager.loggerDict.items() if _disabled(logger)}
    try:
        logging.config.fileConfig(with_sections.ini)
        assert picture() != before
        assert logging.getLogger("shop").disabled
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, logger in logging.root.manager.loggerDict.items():
            if isinstance(logger, logging.Logger):
                logger.disabled = name in was_disabled


def _disabled(logger: object) -> bool:
    return isinstance(logger, logging.Logger) and logger.disabled


def test_what_other_threads_ask_of_file_config_is_done(tmp_path: Path) -> None:
    before, asked = logging.config.fileConfig, []

    def ask() -> None:
        with pytest.raises(NO_SUCH_FILE):
            logging.config.fileConfig(tmp_path / "none.ini")
        asked.append(1)

    with host_logging_kept():
        logging.config.fileConfig(tmp_path / "none.ini")
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert asked == [1]
    assert logging.config.fileConfig is before
    with pytest.raises(NO_SUCH_FILE):
        logging.config.fileConfig(tmp_path / "none.ini")


def test_the_templates_of_alembic_hold_what_is_guarded_against() -> None:
    for template in ("generic", "async"):
        text = (ALEMBICS_TEMPLATES / template / "env.py").read_text(encoding="utf-8")
        assert "from logging.config import fileConfig" in text
        assert "fileConfig(config.config_file_name)" in text
