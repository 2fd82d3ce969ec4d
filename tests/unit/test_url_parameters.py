"""libpq's parameters: each is translated, noted or refused, and none is dropped."""

import pytest
from psycopg import pq

from headway.errors import ConfigurationError
from headway.url import DatabaseURL, libpq


def parsed(query: str) -> DatabaseURL:
    return DatabaseURL.parse(f"postgresql://ada@db/shop?{query}")


def settings(query: str) -> dict[str, str]:
    found: dict[str, str] = parsed(query).connect_arguments()["server_settings"]
    return found


def test_every_parameter_of_the_installed_libpq_is_known() -> None:
    of_libpq = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}

    assert of_libpq <= libpq.KNOWN


@pytest.mark.parametrize("name", sorted(libpq.REFUSED.keys() - {"schema", "gssencmode", "sslcertmode"}))
def test_what_cannot_be_honoured_safely_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} cannot be honoured: "):
        parsed(f"{name}=require")


@pytest.mark.parametrize(
    "query", ["gssencmode=require", "sslcertmode=require", "schema=tenant", "replication=database"]
)
def test_a_demand_is_refused(query: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be honoured"):
        parsed(query)


@pytest.mark.parametrize(
    "query",
    [
        "gssencmode=prefer",
        "sslcertmode=allow",
        "schema=public",
        "replication=false",
        "keepalives=1",
        "sslsni=1",
        "client_encoding=UTF8",
        "load_balance_hosts=disable",
        "sslcompression=0",
        "channel_binding=prefer",
        "min_protocol_version=3.0",
        "gssdelegation=0",
        "sslmode=",
    ],
)
def test_asking_for_what_happens_anyway_is_silent(query: str) -> None:
    assert parsed(query).notes == ()


@pytest.mark.parametrize("name", sorted(libpq.NOTED.keys() - {"gssencmode"}))
def test_what_is_not_honoured_is_said_aloud(name: str) -> None:
    (note,) = parsed(f"{name}=7").notes

    assert note.startswith(f"DATABASE_URL: {name} is not honoured: asyncpg ")


def test_an_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match="'sslmod' is unknown; did you mean 'sslmode'"):
        parsed("sslmod=require")
    with pytest.raises(
        ConfigurationError, match="'search_path' is unknown; a server setting is written options=-c"
    ):
        parsed("search_path=tenant")


@pytest.mark.parametrize("name", sorted(libpq.CHOICES))
def test_a_wrong_choice_is_refused_with_the_right_ones(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be one of {libpq.CHOICES[name][0]}"):
        parsed(f"{name}=nonsense")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-c%20search_path%3Dtenant", {"search_path": "tenant"}),
        ("-csearch_path=tenant", {"search_path": "tenant"}),
        ("--search-path=tenant", {"search_path": "tenant"}),
        ("-c search_path=a,b -c lock_timeout=5s", {"search_path": "a,b", "lock_timeout": "5s"}),
        ("-c search_path=a,\\ b", {"search_path": "a, b"}),
        ("-c app.tenant=7", {"app.tenant": "7"}),
        ("endpoint=ep-x", {"options": "endpoint=ep-x"}),
        ("endpoint=ep-x -c search_path=a", {"options": "endpoint=ep-x", "search_path": "a"}),
        ("-c", {"options": "-c"}),
        ("project=a\\ b", {"options": "project=a\\ b"}),
    ],
)
def test_options_become_server_settings(options: str, expected: dict[str, str]) -> None:
    assert settings(f"options={options}") == {"application_name": "headway", **expected}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("sslmode=prefer", "headway"),
        ("application_name=deploy+1", "deploy+1"),
        ("fallback_application_name=ci", "ci"),
        ("application_name=deploy&fallback_application_name=ci", "deploy"),
    ],
)
def test_the_application_name_is_the_urls_or_ours(query: str, name: str) -> None:
    assert settings(query)["application_name"] == name


@pytest.mark.parametrize(("text", "seconds"), [("10", 10.0), ("0", None), ("-1", None)])
def test_the_timeout_is_in_seconds_and_zero_means_none(text: str, seconds: float | None) -> None:
    assert parsed(f"connect_timeout={text}").connect_arguments()["timeout"] == seconds


def test_the_timeout_is_for_each_host() -> None:
    url = DatabaseURL.parse("postgresql://a,b,c/shop?connect_timeout=10")

    assert url.connect_arguments()["timeout"] == 30


def test_a_timeout_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="connect_timeout must be a whole number of seconds"):
        parsed("connect_timeout=soon")


def test_names_that_mean_the_same_are_handed_on() -> None:
    arguments = parsed(
        "passfile=/p&krbsrvname=pg&gsslib=gssapi&target_session_attrs=read-write"
    ).connect_arguments()

    chosen = {name: arguments[name] for name in ("passfile", "krbsrvname", "gsslib", "target_session_attrs")}
    assert chosen == {
        "passfile": "/p",
        "krbsrvname": "pg",
        "gsslib": "gssapi",
        "target_session_attrs": "read-write",
    }


def test_the_last_of_a_repeated_parameter_counts_as_in_libpq() -> None:
    assert settings("application_name=one&application_name=two")["application_name"] == "two"
