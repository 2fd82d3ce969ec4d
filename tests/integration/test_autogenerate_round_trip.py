"""From one set of models to another and back: nothing is missed, nothing invented, nothing left over.

Every example goes a developer's way, on asyncpg: revision --autogenerate, upgrade, check, downgrade, upgrade.
PostgreSQL's catalogue is read by the test's own SQL; what SQLAlchemy creates from the
models by itself is what the migrations must have made.

``HEADWAY_ROUND_TRIPS=1000`` draws that many examples, other ones every time.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from psycopg import sql

from conftest import ProjectFolder
from headway import DatabaseURL
from model_strategies import pairs
from round_trip import RoundTrip, created, prepare
from round_trip_cases import CASES, Case

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_sets import Models

EXAMPLES = int(os.environ.get("HEADWAY_ROUND_TRIPS", "0"))
_USUAL = 8

pytestmark = [
    pytest.mark.vector,
    # SQLAlchemy says that it cannot sort tables that refer to each other; foreign keys come last anyway.
    pytest.mark.filterwarnings("ignore:Cannot correctly sort tables:sqlalchemy.exc.SAWarning"),
]


@pytest.fixture
def travel(server_url: str) -> Callable[[Models, Models], None]:
    """Goes from nothing to one set of models, to another, and back, in databases of its own."""
    server = DatabaseURL.parse(server_url)

    def there_and_back(before: Models, after: Models) -> None:
        names = [f"headway_t_{secrets.token_hex(6)}" for _ in range(2)]
        urls = [dataclasses.replace(server, database=name).render() for name in names]
        with psycopg.connect(server_url, autocommit=True) as connection:
            for name in names:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
                )
            try:
                prepare(urls[1])
                with tempfile.TemporaryDirectory() as folder:
                    trip = RoundTrip(ProjectFolder(Path(folder) / "project"), urls[0])
                    # What PostgreSQL calls a constraint depends on which was there first.
                    trip.run(before, after, created(urls[1], after) if after.naming != "nobody" else None)
            finally:
                for name in names:
                    connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    return there_and_back


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.sampled(3)
def test_what_was_found_once_stays_mended(case: Case, travel: Callable[[Models, Models], None]) -> None:
    travel(case.before, case.after)


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES or _USUAL,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
    # Each example costs most of a second: what fails is small enough to be understood without shrinking.
    phases=[Phase.generate],
)
@given(pair=pairs())
def test_any_models_become_any_others_and_come_back(
    pair: tuple[Models, Models], travel: Callable[[Models, Models], None]
) -> None:
    travel(*pair)
