"""How a database URL is read: its parts, what people get wrong in it, and what it becomes."""

import inspect
from typing import Any

import asyncpg
import pytest
from asyncpg import connect_utils as stubbed

from headway.errors import ConfigurationError, ExitCode
from headway.url import DatabaseURL

connect_utils: Any = stubbed  # the stubs leave out its private parser


def password_of(raw: str) -> str | None:
    password = DatabaseURL.parse(raw).password
    return password.get_secret_value() if password else None


def problem_of(raw: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        DatabaseURL.parse(raw)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.__context__ is None, "a chained traceback could hold the URL"
    return caught.value.problem


def as_asyncpg_reads(url: DatabaseURL) -> tuple[Any, Any]:
    """Addresses and parameters out of asyncpg's own argument parser."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(asyncpg.connect).parameters.items()
        if name not in {"loop", "timeout", "connection_class", "record_class"}
    }
    arguments = {name: value for name, value in url.connect_arguments().items() if name != "timeout"}
    addresses, parameters, configuration = connect_utils._parse_connect_arguments(**(defaults | arguments))
    assert configuration.statement_cache_size == 0
    return addresses, parameters


@pytest.mark.parametrize(
    "scheme",
    [
        "postgres",
        "postgresql",
        "POSTGRESQL",
        "postgresql+asyncpg",
        "postgresql+psycopg",
        "postgresql+psycopg2",
        "postgresql+psycopg_async",
    ],
)
def test_every_postgresql_scheme_names_the_same_database(scheme: str) -> None:
    url = DatabaseURL.parse(f"{scheme}://ada:secret@db.example.com:5433/shop")

    assert url == DatabaseURL.parse("postgresql://ada:secret@db.example.com:5433/shop")
    assert url.hosts == (("db.example.com", 5433),)
    assert (url.user, password_of(url.render()), url.database) == ("ada", "secret", "shop")


def test_asyncpg_reads_what_the_url_says() -> None:
    url = DatabaseURL.parse("postgresql+asyncpg://ada:s%40cret@h1:1,h2:2/shop?target_session_attrs=primary")

    addresses, parameters = as_asyncpg_reads(url)

    assert addresses == [("h1", 1), ("h2", 2)]
    assert (parameters.user, parameters.password, parameters.database) == ("ada", "s@cret", "shop")
    assert parameters.target_session_attrs.value == "primary"
    assert parameters.server_settings == {"application_name": "headway"}


async def _attempt(url: DatabaseURL) -> None:
    await asyncpg.connect(**url.connect_arguments())


@pytest.mark.asyncio
async def test_asyncpg_takes_every_argument_and_looks_for_the_socket(tmp_path: Any) -> None:
    url = DatabaseURL.parse(
        f"postgresql://ada@/shop?host={tmp_path}&connect_timeout=5&passfile=/none&krbsrvname=pg&gsslib=gssapi"
    )

    with pytest.raises(FileNotFoundError):
        await _attempt(url)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("100%25", "100%"),
        ("a%40b", "a@b"),
        ("a%3Ab", "a:b"),
        ("a%2Fb", "a/b"),
        ("a%23b%3Fc", "a#b?c"),
        ("two%20words", "two words"),
        ("gr%C3%BC%C3%9Fe", "grüße"),
        ("a+b", "a+b"),
        # Left raw, and still only one reading:
        ("100%", "100%"),
        ("a%zz", "a%zz"),
        ("a@b", "a@b"),
        ("a:b", "a:b"),
        ("a/b", "a/b"),
        ("a#b", "a#b"),
        ("a?b", "a?b"),
        ("a/b?c#d@e:f", "a/b?c#d@e:f"),
        ("two words", "two words"),
        ("grüße", "grüße"),
        ("[brackets]", "[brackets]"),
    ],
)
def test_a_password_survives_encoded_and_raw_where_only_one_reading_is_possible(
    written: str, expected: str
) -> None:
    raw = f"postgresql://ada:{written}@db:5432/shop?sslmode=require"

    assert password_of(raw) == expected
    url = DatabaseURL.parse(raw)
    assert (url.user, url.hosts, url.database) == ("ada", (("db", 5432),), "shop")
    assert url.connect_arguments()["password"] == expected


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("postgresql://ada:s3cr%zz%40t@db/shop", "a % is not encoded"),
        ("postgresql://ada:99/s3cret@db", "more than one way"),
        ("postgresql://ada:x@s3cret/y@db/shop", "more than one way"),
        ("postgresql://ada:99?s3cret=1@db/shop", "its name is not shown"),
        ("postgresql://db/shop?password=a&s3cret=b", "its name is not shown"),
        ("postgresql://ada:s3cret/shop", "host and port cannot be read"),
        ("postgresql://ada:s3cret", "host and port cannot be read"),
        ("ada:s3cret@db/shop", "must begin with postgresql://"),
        ("postgresql:ada:s3cret@db/shop", "must begin with postgresql://"),
        ("host=db password=s3cret", "must begin with postgresql://"),
        ("postgresql://ada:s3cret%00@db/shop", "NUL"),
        ("postgresql://ada:s3cret%FF@db/shop", "UTF-8"),
        ("postgresql://ada:s3\ncret@db/shop", "line break"),
        ("postgresql://ada:s3cret@db:99999/shop", "1 to 65535"),
        ("postgresql://ada:s3cret@db/shop?port=s3cret", "1 to 65535"),
        ("postgresql://ada:s3cret@db/shop?port=²", "1 to 65535"),
        ("postgresql://ada:s3cret@db/shop?s3cret", "name=value"),
        ("postgresql://ada:s3cret@a,,b/shop", "host and port"),
        ("postgresql://ada:s3cret@:5433/shop", "port without a host"),
        ("postgresql://ada:s3cret@/shop?port=5433", "port without a host"),
        ("postgresql://ada:s3cret@a,b,c/shop?port=1,2", "3 hosts and 2 ports"),
        ("postgresql://ada:s3cret@a:1/shop?port=2", "given twice"),
        ("postgresql://ada:s3cret@/shop?host=a%20b", "host: it is neither"),
        ("postgresql://ada:s3cret@%40abstract/shop", "abstract namespace"),
        ("postgresql://ada:s3cret@db/shop?hostaddr=10.0.0.1", "hostaddr"),
        ("", "empty"),
    ],
)
def test_a_url_with_no_or_several_readings_is_refused_without_its_secret(raw: str, says: str) -> None:
    problem = problem_of(raw)

    assert says in problem
    assert "s3" not in problem


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("sqlite:///app.db", "an SQLite URL begins with"),
        ("mysql://root@db/shop", "mysql:// names something else"),
        ("mssql+pyodbc://sa@db/shop", "drives PostgreSQL"),
        ("jdbc:postgresql://db/shop", "JDBC"),
        ("driver://user:pass@localhost/dbname", "drives PostgreSQL"),
    ],
)
def test_another_database_is_refused_by_name(raw: str, says: str) -> None:
    assert says in problem_of(raw)


def test_the_error_names_the_variable_and_gives_an_example() -> None:
    with pytest.raises(ConfigurationError) as caught:
        DatabaseURL.parse("nonsense", variable="MIGRATION_DATABASE_URL")

    assert caught.value.variable == "MIGRATION_DATABASE_URL"
    assert str(caught.value).startswith("MIGRATION_DATABASE_URL: ")
    assert caught.value.hint == "For example: postgresql://user:password@host:5432/database"


@pytest.mark.parametrize(
    ("raw", "hosts"),
    [
        ("postgresql:///shop", ()),
        ("postgresql://db", (("db", 5432),)),
        ("postgresql://db:/shop", (("db", 5432),)),
        ("postgresql://[::1]/shop", (("::1", 5432),)),
        ("postgresql://[2001:db8::7]:6000/shop", (("2001:db8::7", 6000),)),
        ("postgresql:///shop?host=::1", (("::1", 5432),)),
        ("postgresql:///shop?host=[::1]:7", (("::1", 7),)),
        ("postgresql://h1:1,h2:2/shop", (("h1", 1), ("h2", 2))),
        ("postgresql://h1,[::1]:2/shop", (("h1", 5432), ("::1", 2))),
        ("postgresql:///shop?host=a,b&port=1,2", (("a", 1), ("b", 2))),
        ("postgresql:///shop?host=a,b&port=7", (("a", 7), ("b", 7))),
        ("postgresql:///shop?host=a:1&host=b:2", (("a", 1), ("b", 2))),  # as SQLAlchemy documents
        ("postgresql://elsewhere/shop?host=db", (("db", 5432),)),  # the query overrides, as in libpq
        ("postgresql:///shop?hostaddr=10.0.0.1", (("10.0.0.1", 5432),)),
        ("postgresql://ada@/shop?host=/run/postgresql", (("/run/postgresql", 5432),)),
        ("postgresql://ada@%2Frun%2Fpostgresql:5433/shop", (("/run/postgresql", 5433),)),
        ("postgresql://ada@/shop?host=/a,/b&port=1,2", (("/a", 1), ("/b", 2))),
        # Google Cloud SQL, as Prisma writes it:
        ("postgresql://ada@localhost/shop?host=/cloudsql/p:r:i", (("/cloudsql/p:r:i", 5432),)),
    ],
)
def test_hosts_sockets_and_ports_are_read_wherever_they_stand(
    raw: str, hosts: tuple[tuple[str, int], ...]
) -> None:
    url = DatabaseURL.parse(raw)

    assert url.hosts == hosts
    assert DatabaseURL.parse(url.render()) == url
    expected = [f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port) for host, port in hosts]
    addresses, _ = as_asyncpg_reads(url)
    assert addresses == expected or not hosts


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        ("postgres://ada:secret@db/shop?sslmode=require", "postgresql://ada:***@db:5432/shop"),
        ("postgres://ada@db/shop", "postgresql://ada@db:5432/shop"),
        ("postgres://ada:secret@[::1]/shop", "postgresql://ada:***@[::1]:5432/shop"),
        ("postgres://a:x@h1,h2:6/s", "postgresql://a:***@h1:5432,h2:6/s"),
        ("postgres://ada@/shop?host=/run/pg", "postgresql://ada@/shop?host=/run/pg"),
        ("postgres://ada@/shop?host=/run/pg&port=6", "postgresql://ada@/shop?host=/run/pg&port=6"),
        ("postgres:///shop", "postgresql:///shop"),
    ],
)
def test_people_see_one_canonical_form_without_the_password(raw: str, masked: str) -> None:
    url = DatabaseURL.parse(raw)

    assert (url.masked, str(url), repr(url)) == (masked, masked, f"DatabaseURL({masked!r})")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("postgresql://ada@db/shop", "shop"),
        ("postgresql://ada@db", "ada"),
        ("postgresql://ada@db/?dbname=shop", "shop"),
        ("postgresql://db", "the default database"),
    ],
)
def test_the_name_shown_is_the_database_that_asyncpg_opens(
    raw: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = DatabaseURL.parse(raw)
    assert url.name == name
    if url.user:
        monkeypatch.setenv("PGDATABASE", "another")
        assert as_asyncpg_reads(url)[1].database == name


@pytest.mark.parametrize("raw", ["'{}'", '"{}"', "psql '{}'", 'psql "{}"', "  {}  "])
def test_what_a_console_prints_around_the_url_is_taken_off(raw: str) -> None:
    url = "postgresql://ada:secret@db/shop"

    assert DatabaseURL.parse(raw.format(url)) == DatabaseURL.parse(url)


def test_user_and_password_may_stand_in_the_query() -> None:
    url = DatabaseURL.parse("postgresql://db/shop?user=a%40b&password=p%26q")

    assert url.user == "a@b"
    assert url.connect_arguments()["password"] == "p&q"
    assert "p" not in str(url).partition("@db")[0].rpartition(":")[2]


def test_separate_settings_make_the_same_url() -> None:
    parsed = DatabaseURL.parse("postgresql://ada:a%2Fb%40c@db:7/my%20shop")

    assert parsed == DatabaseURL.of(
        host="db", port=7, user="ada", password=parsed.password, database="my shop", variable="X"
    )


def test_a_name_that_the_server_would_cut_off_is_refused_before_it_is_another_database() -> None:
    DatabaseURL.parse(f"postgresql://db/{'é' * 31}").connect_arguments()
    with pytest.raises(ConfigurationError, match="64 bytes"):
        DatabaseURL.parse(f"postgresql://db/{'é' * 32}").connect_arguments()
