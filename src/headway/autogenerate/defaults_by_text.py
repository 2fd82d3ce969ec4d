"""Compare server defaults where PostgreSQL cannot be asked how it spells the model's.

That is where no temporary table can be made, or where PostgreSQL refuses the model's default. Alembic's own
comparison asks the server for ``default = default`` as it finds the texts
(``PostgresqlImpl.compare_server_default``, Alembic 1.20). But ``json`` has no equality, an apostrophe ends
the literal it is put into, the error ends the transaction with all that was still to be compared, and
``clock_timestamp()`` never equals itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, DefaultClause, String, column, func, literal_column, select, table
from sqlalchemy.exc import CompileError, DBAPIError, SQLAlchemyError

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnClause, Dialect
    from sqlalchemy.engine import Connection
    from sqlalchemy.types import TypeEngine


@dataclass(frozen=True, slots=True)
class DefaultsByText:
    """Compares defaults with the help of the server that holds one of them."""

    connection: Connection

    def differ(self, inspected: str | None, modelled: str | None, *types: TypeEngine[Any]) -> bool:
        """Whether two defaults, SQL expressions both, give a column different values.

        Where all their functions are immutable the server computes both, behind a savepoint, and their texts
        as the column's type are compared. Otherwise, or when the server cannot compute one, they are equal
        when nothing but casts, parentheses, case and white space tells them apart.

        Args:
            inspected: the database's default; ``None`` when there is none.
            modelled: the model's; ``None`` when there is none.
            types: of the column, the first that has a name in SQL counts.
        """
        if inspected == modelled:
            return False
        have, want = _simplified(inspected or "NULL"), _simplified(modelled or "NULL")
        if have == want and _LITERAL.fullmatch(have):
            return False
        if "null" in {have, want}:
            return have != want
        same = None
        if self._immutable(have, want):
            same = self._ask(_same_value(str(inspected), str(modelled), self._cast(types)))
        return have != want if same is None else not same

    def _immutable(self, *expressions: str) -> bool:
        """Whether the server may compute them: what depends on the moment cannot be compared that way."""
        if any(_MOMENT.search(expression) for expression in expressions):
            return False
        names = {name for expression in expressions for name in _CALLED.findall(expression)} - _SYNTAX
        if not names:
            return True
        name: ColumnClause[str] = column("proname", String)
        known = (
            select(func.count(name.distinct()) == len(names), func.bool_and(column("provolatile") == "i"))
            .select_from(table("pg_proc", schema="pg_catalog"))
            .where(name.in_(sorted(names)))
        )
        return all(self.connection.execute(known).one())

    def _ask(self, question: str) -> bool | None:
        """The server's answer; ``None`` when it has none. The caller's transaction survives either way."""
        try:
            with self.connection.begin_nested():
                answer = self.connection.scalar(select(literal_column(question).label("same")))
        except SQLAlchemyError as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            return None
        return bool(answer)

    def _cast(self, types: tuple[TypeEngine[Any], ...]) -> str:
        for type_ in types:
            # The cast would cut a text to its length; json keeps its white space, jsonb does not.
            for kind, name in ((String, "text"), (JSON, "jsonb")):
                if type(type_).__visit_name__ != "enum" and isinstance(type_, kind):
                    return name
            try:
                return str(type_.compile(dialect=self.connection.dialect))
            except CompileError:  # a type of an extension, reflected where its package is not imported
                continue
        return "text"


def _same_value(one: str, other: str, type_: str) -> str:
    return f"(({one})::{type_})::text IS NOT DISTINCT FROM (({other})::{type_})::text"


def expression_of(dialect: Dialect, column: Column[Any]) -> str | None:
    """A column's default as SQL; ``None`` when it has none."""
    default = column.server_default
    if not isinstance(default, DefaultClause):
        return None
    if isinstance(default.arg, str):
        return "'" + default.arg.replace("'", "''") + "'"
    written = str(default.arg.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    # Compiled for these drivers, a per cent sign is doubled.
    return written.replace("%%", "%") if dialect.paramstyle in {"format", "pyformat"} else written


_STRING = re.compile(r"\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'", re.DOTALL)
_TYPE = (
    r'(?:"[^"]+"|[a-z_]\w*)(?:\.(?:"[^"]+"|[a-z_]\w*))?(?:\s+varying|\s+precision)?'
    r"(?:\s*\(\s*\d+(?:\s*,\s*-?\d+)?\s*\))?(?:\s+with(?:out)?\s+time\s+zone)?(?:\s*\[\d*\])*"
)
# Stands for a literal while the code around it is worked on; no SQL holds this character.
_MARK = "\0"

# One spelling of what SQL can say in several ways. Applied over and over until nothing changes.
_SPELLINGS = [
    (re.compile(rf"\s*::\s*{_TYPE}"), ""),
    (re.compile(rf"\bcast\s*\(([^()]*)\s+as\s+{_TYPE}\s*\)"), r"\1"),
    (re.compile(rf"\b(?:date|interval|jsonb?|text|time|timestamp|timestamptz)\s+({_MARK})"), r"\1"),
    (re.compile(r"\bpg_catalog\."), ""),
    (re.compile(r"\bcurrent_timestamp\b(?!\()|\btransaction_timestamp\(\)"), "now()"),
    (re.compile(rf"^(.+?)\s*at time zone\s*({_MARK}\d+{_MARK})$"), r"timezone(\2,\1)"),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\s*([^\w\s\0\"])\s*"), r"\1"),
    # Parentheses around a single name, number, literal or empty call.
    (re.compile(rf"(?<![\w\"])\(([\w.]+(?:\(\))?|-\d[\d.]*|{_MARK}\d+{_MARK})\)"), r"\1"),
]
_LITERAL = re.compile(r"'(?:[^']|'')*'|-?\d[\d.]*|true|false", re.DOTALL)
_NUMBER = re.compile(r"'(-?\d+(?:\.\d+)?)'")
_CALLED = re.compile(r"([a-z_]\w*)\(")
# What looks like a function and is syntax.
_SYNTAX = frozenset(
    re.findall(r"\w+", "and array case cast coalesce else greatest in least not nullif or row then when")
)
# PostgreSQL manual 9.9.5 and 9.26: these have no parentheses, and are not immutable.
_MOMENT = re.compile(
    r"\b(?:current_\w+|localtime|localtimestamp|session_user|system_user|user)\b(?=(?:[^']|'[^']*')*$)"
)


def _simplified(expression: str) -> str:
    """An expression without casts, needless parentheses, case and white space; literals as they are."""
    literals: list[str] = []

    def hide(found: re.Match[str]) -> str:
        literals.append(found[0])
        return f"{_MARK}{len(literals) - 1}{_MARK}"

    code, before = _STRING.sub(hide, expression).lower().strip(), ""
    while code != before:
        before = code
        for spelling, one in _SPELLINGS:
            code = spelling.sub(one, code).strip()
        code = _unwrapped(code)
    shown = re.sub(rf"{_MARK}(\d+){_MARK}", lambda found: literals[int(found[1])], code)
    # `'-1'::integer` is how PostgreSQL writes -1.
    number = _NUMBER.fullmatch(shown)
    return number[1] if number else shown


def _unwrapped(code: str) -> str:
    """The code without parentheses that open at its beginning and close at its end."""
    if not (code.startswith("(") and code.endswith(")")):
        return code
    depth = 0
    for position, character in enumerate(code):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return code[1:-1].strip() if position == len(code) - 1 else code
    return code
