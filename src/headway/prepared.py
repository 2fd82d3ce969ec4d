"""Statements of our own that every step sends: parsed once for a run, and planned seldom.

In a message of several statements each is parsed and planned anew, which costs more than running it. PREPARE
and EXECUTE are statements as well, so both can be part of such a message (PostgreSQL manual, PREPARE).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.sqltext import written

if TYPE_CHECKING:
    from headway.sqltext.filling import Value


_SWEEP = """
DO $$ DECLARE prepared text; BEGIN
    FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements
        WHERE pg_catalog.starts_with(name, '{prefix}_')
    LOOP
        EXECUTE pg_catalog.format('DEALLOCATE %I', prepared);
    END LOOP;
END $$
"""


class Prepared:
    """What is prepared on one connection.

    The connection may be the caller's own, so whoever is done with it gives back what is prepared there.

    Args:
        prefix: of the names; nobody else's on that connection begins like this.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._round = 0
        self._names: dict[str, str] = {}

    def call(self, statement: str, *values: Value) -> str:
        """What executes a statement, and prepares it before where that was not done yet.

        Args:
            statement: with ``$1`` and so on for its values.
            values: as they are written into it.
        """
        name = self._names.get(statement)
        preparing = ""
        if name is None:
            name = f"{self._prefix}_{self._round}_{len(self._names)}"
            self._names[statement] = name
            preparing = f"PREPARE {name} AS {statement};\n"
        given = f"({', '.join(map(written, values))})" if values else ""
        return f"{preparing}EXECUTE {name}{given}"

    def release(self) -> list[str]:
        """The statements that give back what is prepared; it is forgotten."""
        released = [f"DEALLOCATE {name}" for name in self._names.values()]
        self.forget()
        return released

    def sweep(self) -> str:
        """The same in one statement, for when nobody knows how much of it has been prepared."""
        self.forget()
        return _SWEEP.format(prefix=self._prefix)

    def forget(self) -> None:
        """The connection is gone, and with it all that was prepared."""
        self._round += 1
        self._names = {}
