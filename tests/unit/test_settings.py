"""Which source wins, what is said about it, and that no secret comes out of a wrong setting."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from headway.errors import ConfigurationError, ExitCode
from headway.project import Project, load_project
from headway.results import RunOptions
from headway.settings import VARIABLES, Environment, Settings, load_settings
from headway.url import DatabaseURL

ROOT = Path(__file__).parents[2]
GROUP = {"APP_DATABASE__HOST": "grouphost", "APP_DATABASE__DATABASE": "shop"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "alembic").mkdir()
    return with_ini(tmp_path, "driver://user:pass@localhost/dbname")


def with_ini(root: Path, url: str) -> Project:
    (root / "alembic.ini").write_text(f"[alembic]\nscript_location = alembic\nsqlalchemy.url = {url}\n")
    return load_project(root)


def dotenv(project: Project, text: str) -> None:
    (project.root / ".env").write_text(text, encoding="utf-8")


def database(settings: Settings) -> str:
    assert isinstance(settings.database, DatabaseURL)
    return settings.database.hosts[0][0]


def url(host: str) -> str:
    return f"postgresql://ada:s3cret@{host}/shop"


def failure(project: Project, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(project, environ=environ)
    error = caught.value
    assert error.exit_code is ExitCode.USAGE
    assert error.__context__ is None, "a chained traceback could hold the value"
    assert "s3cret" not in f"{error}{error!r}{error.hint}"
    assert error.example
    return error


def test_with_nothing_configured_there_is_no_database_and_it_is_development(project: Project) -> None:
    assert load_settings(project, environ={}) == Settings()


def test_the_stock_placeholder_counts_as_not_set(project: Project) -> None:
    assert project.url == "driver://user:pass@localhost/dbname"
    assert load_settings(project, environ={}).database is None


def test_each_source_gives_way_to_a_stronger_one(tmp_path: Path, project: Project) -> None:
    project = with_ini(tmp_path, url("file"))
    settings = load_settings(project, environ={})
    assert (database(settings), settings.source) == ("file", "alembic.ini: sqlalchemy.url")

    dotenv(project, f"DATABASE_URL={url('dotenv')}\n")
    settings = load_settings(project, environ={"DATABASE_URL": "  "})
    assert (database(settings), settings.source) == ("dotenv", ".env: DATABASE_URL")

    environ = {"DATABASE_URL": url("environment")}
    settings = load_settings(project, environ=environ)
    assert (database(settings), settings.source) == ("environment", "DATABASE_URL")

    environ["MIGRATION_DATABASE_URL"] = url("migration")
    settings = load_settings(project, url=url("argument"), environ=environ)
    assert (database(settings), settings.source, settings.notes) == ("argument", "--url", ())


def test_without_a_project_dotenv_of_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"DATABASE_URL={url('dotenv')}\n")

    assert database(load_settings(environ={})) == "dotenv"


def test_the_processes_own_environment_is_the_default(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url("environment"))
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)

    assert database(load_settings(project)) == "environment"


def test_the_group_of_variables_makes_a_url_of_parts_as_they_are(project: Project) -> None:
    environ = GROUP | {
        "APP_DATABASE__PORT": "6000",
        "APP_DATABASE__USER": "ada@work",
        "APP_DATABASE__PASSWORD": "p%40/w: #é",
    }

    settings = load_settings(project, environ=environ)

    assert settings.source == "APP_DATABASE__*"
    assert isinstance(settings.database, DatabaseURL)
    arguments = settings.database.connect_arguments()
    assert (arguments["host"], arguments["port"]) == (["grouphost"], [6000])
    assert (arguments["user"], arguments["password"]) == ("ada@work", "p%40/w: #é")
    assert arguments["database"] == "shop"
    assert "p%40/w" not in repr(settings)


@pytest.mark.parametrize(
    ("host", "expected"),
    [(None, "localhost"), ("/run/postgresql", "/run/postgresql"), ("::1", "::1")],
)
def test_the_groups_host_may_be_absent_a_socket_or_ipv6(
    project: Project, host: str | None, expected: str
) -> None:
    environ = {"APP_DATABASE__DATABASE": "shop"} | ({"APP_DATABASE__HOST": host} if host else {})

    settings = load_settings(project, environ=environ)

    assert isinstance(settings.database, DatabaseURL)
    assert settings.database.hosts == ((expected, 5432),)


def test_the_group_may_be_spread_over_sources(project: Project) -> None:
    dotenv(project, "APP_DATABASE__HOST=dotenv\nAPP_DATABASE__DATABASE=shop\nAPP_DATABASE__PASSWORD=weak\n")

    settings = load_settings(project, environ={"APP_DATABASE__PASSWORD": "strong"})

    assert isinstance(settings.database, DatabaseURL)
    assert database(settings) == "dotenv"
    assert settings.database.connect_arguments()["password"] == "strong"


def test_in_one_source_database_url_wins_over_the_group_and_this_is_said(project: Project) -> None:
    settings = load_settings(project, environ=GROUP | {"DATABASE_URL": url("urlhost")})

    assert database(settings) == "urlhost"
    assert settings.notes == ("DATABASE_URL is used, and APP_DATABASE__* is not: both are set",)


def test_a_stronger_source_wins_whatever_its_style(project: Project) -> None:
    dotenv(project, f"DATABASE_URL={url('dotenv')}\n")
    assert database(load_settings(project, environ=GROUP)) == "grouphost"

    dotenv(project, "APP_DATABASE__HOST=dotenv\nAPP_DATABASE__DATABASE=shop\n")
    settings = load_settings(project, environ={"DATABASE_URL": url("urlhost")})
    assert (database(settings), settings.notes) == ("urlhost", ())


@pytest.mark.parametrize("other", [{"DATABASE_URL": url("app")}, GROUP, {}])
def test_migrations_have_a_database_of_their_own(project: Project, other: dict[str, str]) -> None:
    settings = load_settings(project, environ=other | {"MIGRATION_DATABASE_URL": url("direct")})

    assert (database(settings), settings.source) == ("direct", "MIGRATION_DATABASE_URL")
    assert (settings.application is not None) is bool(other)
    assert settings.application != settings.database


@pytest.mark.parametrize("test_run", [{"DATABASE_URL": url("test")}, GROUP | {"APP_DATABASE__HOST": "test"}])
def test_a_production_url_in_dotenv_is_left_alone_by_a_test_run(
    project: Project, test_run: dict[str, str]
) -> None:
    dotenv(project, f"MIGRATION_DATABASE_URL={url('production')}\nDATABASE_URL={url('pooler')}\n")

    settings = load_settings(project, environ=test_run)

    assert database(settings) == "test"
    (note,) = settings.notes
    assert note.startswith(".env: MIGRATION_DATABASE_URL is left alone: ")
    assert database(load_settings(project, environ={})) == "production"


def test_a_migration_url_is_used_over_a_weaker_source(tmp_path: Path, project: Project) -> None:
    project = with_ini(tmp_path, url("file"))
    dotenv(project, f"MIGRATION_DATABASE_URL={url('direct')}\n")

    assert database(load_settings(project, environ={})) == "direct"


def test_the_urls_notes_are_handed_on(project: Project) -> None:
    settings = load_settings(project, environ={"DATABASE_URL": url("db") + "?sslkeylogfile=x"})

    (note,) = settings.notes
    assert note.startswith("DATABASE_URL: sslkeylogfile is not honoured")


@pytest.mark.parametrize("written", ["production", "Production", " PRODUCTION "])
def test_the_environment_is_read_in_any_case(project: Project, written: str) -> None:
    assert load_settings(project, environ={"APP_ENVIRONMENT": written}).environment is Environment.PRODUCTION
    dotenv(project, f"APP_ENVIRONMENT={written}\n")
    assert load_settings(project, environ={}).environment is Environment.PRODUCTION
    assert load_settings(project, environment="staging", environ={}).environment is Environment.STAGING


def test_variables_are_found_in_any_case_and_the_exact_name_wins(project: Project) -> None:
    assert database(load_settings(project, environ={"database_url": url("lower")})) == "lower"
    environ = {"database_url": url("lower"), "DATABASE_URL": url("exact")}
    assert database(load_settings(project, environ=environ)) == "exact"


@pytest.mark.parametrize(
    ("environ", "variable", "says"),
    [
        ({"DATABASE_URL": "s3cret"}, "DATABASE_URL", "must begin with postgresql://"),
        ({"DATABASE_URL": url("h") + "?sslmod=1"}, "DATABASE_URL", "did you mean 'sslmode'"),
        ({"MIGRATION_DATABASE_URL": "sqlite:s3cret"}, "MIGRATION_DATABASE_URL", "an SQLite URL begins with"),
        (
            {"APP_ENVIRONMENT": "prod"},
            "APP_ENVIRONMENT",
            "'prod' is not one of development, staging, production",
        ),
        (GROUP | {"APP_DATABASE__PORT": "s3cret"}, "APP_DATABASE__PORT", "valid integer"),
        (GROUP | {"APP_DATABASE__PORT": "70000"}, "APP_DATABASE__PORT", "less than or equal to 65535"),
        (GROUP | {"APP_DATABASE__HOST": "h:5433"}, "APP_DATABASE__HOST", "the port is given twice"),
        (GROUP | {"APP_DATABASE__HOST": "ada:s3cret@h"}, "APP_DATABASE__HOST", "neither a host name"),
        (
            {"APP_DATABASE__PASSWORD": "s3cret"},
            "APP_DATABASE__DATABASE",
            "not set, while APP_DATABASE__PASSWORD is",
        ),
        (
            {"APP_DATABASE__HOST": "h", "APP_DATABASE__USER": "u"},
            "APP_DATABASE__DATABASE",
            "not set, while others",
        ),
        ({"HEADWAY_POSTGRES_BIN": "/absent"}, "HEADWAY_POSTGRES_BIN", "there is no folder /absent"),
    ],
)
def test_a_wrong_setting_is_named_and_its_secret_is_not(
    project: Project, environ: dict[str, str], variable: str, says: str
) -> None:
    error = failure(project, **environ)

    assert error.variable == variable
    assert says in error.problem
    dotenv(project, "".join(f"{name}='{value}'\n" for name, value in environ.items()))
    assert failure(project).variable == (variable if "not set" in says else f".env: {variable}")


def test_a_wrong_url_in_the_ini_file_is_named(tmp_path: Path, project: Project) -> None:
    error = failure(with_ini(tmp_path, "mysql://ada:s3cret@db/shop"))

    assert error.variable == "alembic.ini: sqlalchemy.url"


def test_a_percent_sign_in_the_ini_files_url_reaches_the_server(tmp_path: Path, project: Project) -> None:
    for written in ("a%40b", "a%%40b"):
        settings = load_settings(with_ini(tmp_path, f"postgresql://ada:{written}@db/shop"), environ={})
        assert isinstance(settings.database, DatabaseURL)
        assert settings.database.connect_arguments()["password"] == "a@b"


def test_a_nearly_right_name_is_pointed_out_and_an_applications_own_is_not(project: Project) -> None:
    environ = GROUP | {"APP_DATABASE__PASWORD": "s3cret", "APP_DATABASE__POOL_SIZE": "5"}

    settings = load_settings(project, environ=environ)

    assert settings.notes == ("APP_DATABASE__PASWORD is not read; did you mean APP_DATABASE__PASSWORD?",)


def test_an_unreadable_line_of_ours_in_dotenv_is_an_error_with_its_line(project: Project) -> None:
    dotenv(project, "OTHER=1\n\nDATABASE_URL='postgresql://ada:s3cret@db/shop\n")

    error = failure(project)

    assert error.variable == str(project.root / ".env")
    assert error.problem == "line 3 cannot be read; is a quote left open?"


def test_an_unreadable_line_of_others_in_dotenv_is_passed_over_with_a_note_in_our_words(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv(project, f"ONE=1\n\nthis is = no 'line\nDATABASE_URL={url('dotenv')}\n")

    settings = load_settings(project, environ={})

    assert database(settings) == "dotenv"
    assert settings.notes == (f"{project.root / '.env'}: line 3 is passed over, for it is not NAME=value",)
    assert caplog.records == []


def test_dotenv_that_is_not_utf8_is_an_error(project: Project) -> None:
    (project.root / ".env").write_bytes(b"DATABASE_URL=postgresql://ada:s3cret\xfc@db/shop\n")

    assert "not UTF-8" in failure(project).problem


def test_dotenv_may_begin_with_a_byte_order_mark(project: Project) -> None:
    (project.root / ".env").write_bytes(b"\xef\xbb\xbfDATABASE_URL=" + url("dotenv").encode())

    assert database(load_settings(project, environ={})) == "dotenv"


def test_the_folder_of_postgres_begins_at_dotenvs_own_folder(project: Project) -> None:
    (project.root / "pg").mkdir()
    dotenv(project, "HEADWAY_POSTGRES_BIN=pg\n")

    assert load_settings(project, environ={}).postgres_binaries == project.root / "pg"


def test_the_example_file_explains_every_variable_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()

    explained = [match[1] for line in lines if (match := re.match(r"#?([A-Z][A-Z_]+)=", line))]
    assert sorted(explained) == sorted(VARIABLES)


def test_a_copy_of_the_example_file_changes_nothing(project: Project) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    dotenv(project, text)

    assert dotenv_values(project.root / ".env") == {}
    assert load_settings(project, environ={}) == Settings()


def test_every_value_in_the_example_file_is_accepted(project: Project, tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    uncommented = re.sub(r"(?m)^#([A-Z][A-Z_]+=)", r"\1", text)
    dotenv(project, uncommented.replace("/usr/lib/postgresql/18/bin", str(tmp_path)))

    settings = load_settings(project, environ={})

    assert settings.source == ".env: MIGRATION_DATABASE_URL"
    assert settings.postgres_binaries == tmp_path


def test_pydantic_settings_is_loaded_only_for_the_group(project: Project) -> None:
    code = """
import sys
from headway.settings import load_settings
load_settings(environ={"DATABASE_URL": "postgresql://db/shop"})
slow = ("pydantic_settings", "sqlalchemy", "alembic", "asyncio", "asyncpg")
assert not [name for name in slow if name in sys.modules], sorted(sys.modules)
load_settings(environ={"APP_DATABASE__DATABASE": "shop"})
assert "pydantic_settings" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project.root)


# -- limits ------------------------------------------------------------------------------------------


def test_limits_are_durations_with_their_unit(project: Project) -> None:
    dotenv(project, "HEADWAY_LOCK_WAIT=10min\nHEADWAY_LOCK_TIMEOUT=9s\n")

    settings = load_settings(
        project, environ={"HEADWAY_LOCK_TIMEOUT": "250 ms", "HEADWAY_STATEMENT_TIMEOUT": "0"}
    )

    assert settings.limits == RunOptions(lock_wait_s=600, lock_timeout_ms=250, statement_timeout_ms=0)
    assert settings.sources["HEADWAY_LOCK_WAIT"] == ".env: HEADWAY_LOCK_WAIT"
    assert settings.sources["HEADWAY_LOCK_TIMEOUT"] == "HEADWAY_LOCK_TIMEOUT"
    assert load_settings(project, environ={}).limits.lock_timeout_ms == 9000


def test_without_them_nothing_is_said(project: Project) -> None:
    assert load_settings(project, environ={}).limits == RunOptions()


@pytest.mark.parametrize("value", ["30", "2 m", "-1s", "soon", "1e9s", "99d"])
def test_a_limit_without_its_unit_is_refused_by_name(project: Project, value: str) -> None:
    error = failure(project, HEADWAY_LOCK_WAIT=value)

    assert error.variable == "HEADWAY_LOCK_WAIT"
    assert value in error.problem


def test_less_than_a_millisecond_is_not_no_limit(project: Project) -> None:
    assert load_settings(project, environ={"HEADWAY_LOCK_TIMEOUT": "0.1ms"}).limits.lock_timeout_ms == 1


def test_a_misspelt_limit_is_pointed_out(project: Project) -> None:
    settings = load_settings(project, environ={"HEADWAY_LOCKWAIT": "1s", "HEADWAY_DEBUG": "1"})

    assert settings.notes == ("HEADWAY_LOCKWAIT is not read; did you mean HEADWAY_LOCK_WAIT?",)


def test_what_a_run_says_itself_goes_before_its_settings() -> None:
    limits = RunOptions(lock_wait_s=600, lock_timeout_ms=250)

    assert limits.overridden(RunOptions(lock_timeout_ms=0)) == RunOptions(lock_wait_s=600, lock_timeout_ms=0)


@pytest.mark.parametrize(
    ("environ", "protected"),
    [
        ({}, False),
        ({"APP_ENVIRONMENT": "staging"}, False),
        ({"APP_ENVIRONMENT": "staging", "HEADWAY_PROTECTED": " Yes "}, True),
        ({"HEADWAY_PROTECTED": "on"}, True),
        ({"HEADWAY_PROTECTED": "off"}, False),
        ({"APP_ENVIRONMENT": "production"}, True),
        ({"APP_ENVIRONMENT": "production", "HEADWAY_PROTECTED": "false"}, True),
    ],
)
def test_production_is_protected_and_whatever_is_marked_so(
    project: Project, environ: dict[str, str], *, protected: bool
) -> None:
    assert load_settings(project, environ=environ).protected is protected


def test_what_neither_protects_nor_does_not_is_refused(project: Project) -> None:
    error = failure(project, HEADWAY_PROTECTED="perhaps")
    assert (error.variable, error.problem) == ("HEADWAY_PROTECTED", "'perhaps' is neither true nor false")
