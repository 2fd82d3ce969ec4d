from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from headway.peers import QUERY_LENGTH, read_peer

SINCE = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def row(query: str | None = None, **others: object) -> SimpleNamespace:
    known = {
        "pid": 4711,
        "application_name": "",
        "usename": "app",
        "client_host": None,
        "client_port": -1,
        "backend_type": "client backend",
        "state": "active",
        "since": SINCE,
    }
    return SimpleNamespace(**(known | others), query=query)


@pytest.mark.parametrize(
    "query",
    [
        "ALTER ROLE app PASSWORD 'marked-secret'",
        "alter role app encrypted password 'it''s marked-secret'",
        "CREATE ROLE app PASSWORD $x$marked-secret$x$",
        "DO 'BEGIN EXECUTE ''ALTER ROLE app PASSWORD ''''marked-secret''''''; END'",
        "SELECT dblink_connect('host=db password=marked-secret user=app')",
        "CREATE SUBSCRIPTION s CONNECTION 'sslpassword=marked-secret host=db' PUBLICATION p",
        "SELECT dblink('postgresql://app:marked-secret@db/app', 'SELECT 1')",
        "SELECT dblink('postgresql://:marked/secret@marked-secret', 'SELECT 1')",
    ],
)
def test_no_password_of_anybodys_query_is_kept(query: str) -> None:
    shown = read_peer(row(query)).query
    assert shown is not None
    assert "secret" not in shown
    assert shown.endswith("***")


@pytest.mark.parametrize(
    "query", ["ALTER TABLE users ADD COLUMN password_hash text", "SELECT 'https://example.org/a'"]
)
def test_what_only_looks_like_a_password_stays(query: str) -> None:
    assert read_peer(row(query)).query == query


def test_a_query_becomes_one_short_line() -> None:
    query = read_peer(row("SELECT\n\t1,\n    2" + ", 3" * 200)).query
    assert query is not None
    assert query.startswith("SELECT 1, 2, 3")
    assert len(query) == QUERY_LENGTH


def test_a_socket_is_told_from_what_may_not_be_seen() -> None:
    assert read_peer(row(client_port=-1)).client == "local"
    assert read_peer(row(client_port=None)).client is None
    assert read_peer(row(client_port=5000, client_host="10.0.0.5")).client == "10.0.0.5"
