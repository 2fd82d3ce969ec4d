"""Which server a test suite runs on, decided from options, ini values and the environment."""

from __future__ import annotations

import gc
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import pytest

from headway import ConfigurationError
from headway.testing.decision import IMAGE, decide
from headway.testing.docker import start
from headway.testing.naming import Names
from headway.testing.wishes import Wishes

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "HEADWAY_TEST_DATABASE_URL"
HOST = "postgresql://tester@db.example.com/shop"


@dataclass
class Configuration:
    """As much of pytest's as is asked."""

    rootpath: Path
    options: dict[str, object] = field(default_factory=dict)
    ini: dict[str, str] = field(default_factory=dict)
    inipath: Path | None = None

    def getoption(self, name: str) -> object:
        return self.options.get(name.removeprefix("headway_"))

    def getini(self, name: str) -> str:
        return self.ini.get(name.removeprefix("headway_"), "")


def decided(
    folder: Path, options: dict[str, object] | None = None, ini: dict[str, str] | None = None
) -> Wishes:
    return decide(cast("pytest.Config", Configuration(folder, options or {}, ini or {})))


@pytest.fixture(autouse=True)
def _no_server_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("options", "ini", "environment", "provider", "source"),
    [
        ({}, {}, None, "embedded", "the embedded server"),
        ({}, {}, HOST, "url", VARIABLE),
        ({}, {"database_url": HOST}, "postgresql://other", "url", "headway_database_url"),
        (
            {"database_url": HOST},
            {"database_url": "postgresql://other"},
            None,
            "url",
            "--headway-database-url",
        ),
        ({}, {"image": "postgres:17"}, None, "docker", "headway_image"),
        ({"image": "postgres:17"}, {}, HOST, "url", VARIABLE),
        ({"provider": "docker"}, {}, HOST, "docker", "--headway-provider=docker"),
        ({}, {"provider": "embedded", "image": "postgres:17"}, HOST, "embedded", "headway_provider=embedded"),
        ({"provider": "url"}, {}, HOST, "url", VARIABLE),
    ],
)
def test_the_first_rung_that_is_said_is_taken(  # the table's columns
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    ini: dict[str, str],
    environment: str | None,
    provider: str,
    source: str,
) -> None:
    if environment is not None:
        monkeypatch.setenv(VARIABLE, environment)
    found = decided(tmp_path, options, ini)
    assert (found.provider, found.source) == (provider, source)
    assert found.url == (HOST if provider == "url" else None)


def test_a_dotenv_beside_the_suite_names_the_server(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OTHER=1\n{VARIABLE}='{HOST}'\n", encoding="utf-8")
    found = decided(tmp_path)
    assert (found.url, found.source) == (HOST, f".env: {VARIABLE}")


def test_what_is_none_of_the_choices_is_refused_and_a_missing_url_too(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"headway_isolation.*'none' is not one of reset, clone, savepoint"
    ):
        decided(tmp_path, ini={"isolation": "none"})
    with pytest.raises(ConfigurationError, match=r"headway_provider.*'podman' is not one of"):
        decided(tmp_path, ini={"provider": "podman"})
    with pytest.raises(ConfigurationError, match="given by its URL, and none is"):
        decided(tmp_path, {"provider": "url"})


@pytest.mark.parametrize(
    ("options", "ini", "source"),
    [
        ({"database_url": "sqlite+aiosqlite://"}, {}, "--headway-database-url"),
        ({}, {"database_url": "sqlite://"}, "headway_database_url"),
        ({"provider": "sqlite"}, {"database_url": HOST}, "--headway-provider=sqlite"),
        ({"isolation": "clone"}, {"provider": "sqlite"}, "headway_provider=sqlite"),
    ],
)
def test_on_sqlite_there_is_no_url_and_every_test_has_a_copy(
    tmp_path: Path, options: dict[str, object], ini: dict[str, str], source: str
) -> None:
    found = decided(tmp_path, options, ini)
    assert (found.provider, found.url, found.isolation, found.source) == ("sqlite", None, "clone", source)


def test_an_sqlite_file_and_savepoints_on_sqlite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--headway-database-url: names a file, and each test"):
        decided(tmp_path, {"database_url": "sqlite+aiosqlite:///test.db"})
    with pytest.raises(ConfigurationError, match="--headway-isolation: savepoint is for PostgreSQL"):
        decided(tmp_path, {"provider": "sqlite", "isolation": "savepoint"})


def test_a_worker_gets_what_the_controller_decided_and_no_repr_shows_the_url(tmp_path: Path) -> None:
    found = decided(tmp_path, {"database_url": HOST.replace("tester", "tester:secret")})
    there = Wishes.unpacked(found.packed(), worker="gw7")
    assert (there.run_id, there.url, there.worker) == (found.run_id, found.url, "gw7")
    assert "secret" not in repr(there)


def test_docker_has_an_image_and_is_refused_in_words_where_it_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody-listens")
    found = decided(tmp_path, {"provider": "docker"})
    assert found.image == IMAGE
    with warnings.catch_warnings():
        # Docker's own client leaves the socket open that it could not connect.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            start(IMAGE, found.source)
        except ConfigurationError as error:
            words, hint = error.message, error.hint
        else:
            pytest.fail("nobody listens there")
        gc.collect()
    if find_spec("testcontainers") is None:
        assert words.startswith("--headway-provider=docker: a container needs the package")
    else:
        assert words.startswith("--headway-provider=docker: the container")
        assert "embedded needs no Docker" in str(hint)


def test_names_are_short_enough_and_tell_whose_they_are() -> None:
    names = Names.of("An Ünusual ... and very long ... name of a project", "1000 /srv/ada/shop postgres")
    run = names.of_run("a" * 40, "gw12", "1234_test_" + "x" * 80)
    kept = names.kept("21102735", "test_buying[a-b]" + "x" * 80)
    assert max(map(len, (run, kept, names.template("0" * 16)))) <= 63
    assert names.run_of(run) == names.run_of(names.of_run("a" * 40, "gw0", "1"))
    assert names.run_of(kept) is None
    assert names.is_kept(kept)
    assert not names.is_kept(run)
    other = Names.of("An Ünusual ... and very long ... name of a project", "1001 /srv/bob/shop postgres")
    assert not run.startswith(other.prefix)
