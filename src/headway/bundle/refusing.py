"""How a script stops: with an error of the server's own, which says what is and what should be."""

from __future__ import annotations

from headway.bundle.psql import literal

_RAISE = (
    "DO $headway$ BEGIN RAISE EXCEPTION USING MESSAGE = pg_catalog.current_setting('headway.message'), "
    "HINT = pg_catalog.current_setting('headway.hint'); END $headway$;"
)
READY = (
    "PREPARE headway_tell (text, text) AS\n"
    "SELECT pg_catalog.set_config('headway.message', $1, false) AS told,\n"
    "    pg_catalog.set_config('headway.hint', $2, false) AS advised;\n"
    f"\\set headway_raise {literal(_RAISE)}\n"
)
"""What the lines below need: a prepared statement, and a variable of psql's that holds the error."""


def refuse(message: str, hint: str) -> str:
    """Lines that end the script with an error.

    Args:
        message: what is wrong, as an SQL expression: a :func:`literal`, or some with variables between.
        hint: what to do about it.
    """
    return f"EXECUTE headway_tell({message},\n    {literal(hint)}) \\gset headway_\n:headway_raise\n"


def unless(variable: str, message: str, hint: str) -> str:
    """Lines that end the script with an error unless a variable of psql's is true."""
    return f"\\if :{variable}\n\\else\n{refuse(message, hint)}\\endif\n"


def when(variable: str, message: str, hint: str) -> str:
    """Lines that end the script with an error when a variable of psql's is true."""
    return f"\\if :{variable}\n{refuse(message, hint)}\\endif\n"
