"""The statement that opens an entry, in one round trip: every step has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.util import await_only

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection


_PLAN_ONCE = "SET plan_cache_mode = force_generic_plan"


class Opening:
    """Sends one statement again and again, prepared once on each connection, and committed by itself."""

    def __init__(self) -> None:
        self._driver: Any = None
        self._prepared: Any = None
        self._names: tuple[str, ...] = ()

    def send(self, connection: Connection, sql: str, parameters: Mapping[str, Any]) -> int | None:
        """The number of the row it has written.

        Args:
            connection: with no transaction open.
            sql: the statement; it returns one number or no row.
            parameters: its parameters, ``:name`` in it.

        Returns:
            ``None`` when it wrote none, when the driver is another than asyncpg, or when it failed: said in
            the usual way, it will fail again in the usual words.
        """
        driver: Any = connection.connection.driver_connection
        if not isinstance(driver, asyncpg.Connection):
            return None
        try:
            if self._driver is not driver:
                compiled: Any = text(sql).compile(dialect=connection.dialect)
                self._names = tuple(compiled.positiontup or ())
                # It is the same few rows whatever the values are; planning costs more than running it.
                await_only(driver.execute(_PLAN_ONCE))
                self._prepared, self._driver = await_only(driver.prepare(str(compiled))), driver
            found = await_only(self._prepared.fetchval(*(parameters[name] for name in self._names)))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            self._driver = None
            return None
        except BaseException as error:
            # Cancelled: nobody waits for the rest of it, as SQLAlchemy has it with any other statement.
            self._driver = None
            connection.invalidate(error)
            raise
        return None if found is None else int(found)
