"""A look at what a step would destroy, read from its SQL and from the types that its operations name."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from sqlalchemy.exc import CompileError, SQLAlchemyError

from headway.alembic_bridge.offline import configure_offline, in_one_line
from headway.alembic_bridge.revision_code import load_code
from headway.alembic_bridge.routing import environment_of, operations_of
from headway.autogenerate.destructions import destructions
from headway.autogenerate.operations import ROW_CHECK
from headway.results import Loss
from headway.sqltext import split, uncommented, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.operations import MigrateOperation
    from alembic.runtime.migration import MigrationContext

    from headway.alembic_bridge.environment import AlembicProject
    from headway.planning import Step

# Room for one statement in a picture of losses, in characters.
_SHOWN = 200

# What Python code comes to when it goes on with a result that no database gave it.
_NOTHING_READ = (AttributeError, TypeError, SQLAlchemyError)

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_NAME = rf"{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})*"
_FLAGS = re.IGNORECASE | re.VERBOSE | re.DOTALL

_DROP_TABLE = re.compile(
    rf"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?P<names>{_NAME}(?:\s*,\s*{_NAME})*)\s*(?:CASCADE|RESTRICT)?\s*$",
    _FLAGS,
)
_ALTER_TABLE = re.compile(
    rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<table>{_NAME})\s*\*?\s+(?P<actions>.*)", _FLAGS
)
# Constraints, too, are dropped by an action of ALTER TABLE; DROP NOT NULL and its like follow ALTER COLUMN.
_DROP_COLUMN = re.compile(
    rf"(?:^|,)\s*DROP\s+(?!CONSTRAINT\b)(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?(?P<column>{_IDENTIFIER})", _FLAGS
)

# Statements that take data away and name no single table. Each is met at its first word: GRANT DELETE,
# ON DELETE CASCADE and CREATE TRIGGER … AFTER TRUNCATE destroy nothing.
_DESTRUCTIVE = re.compile(
    r"""
      TRUNCATE\b | DELETE\b | UPDATE\b
    | DROP\s+(?:TABLE|SCHEMA|TYPE|DOMAIN|SEQUENCE|MATERIALIZED\s+VIEW|OWNED|DATABASE)\b
    | DROP\s+(?!INDEX\b|TRIGGER\b|RULE\b|POLICY\b).*\bCASCADE\b
    | ALTER\s+TYPE\b.*\bDROP\s+ATTRIBUTE\b
    | (?:INSERT|WITH)\b.*\bDO\s+UPDATE\b
    | (?:MERGE|WITH\b.*[()]\s*MERGE)\b.*\bTHEN\s+(?:UPDATE|DELETE)\b
    | WITH\b.*[()]\s*(?:DELETE|UPDATE)\b
    """,
    _FLAGS,
)

# Code of the database's own, whose deeds its text does not tell.
_OPAQUE = re.compile(
    r"(?P<block>DO)\b | CALL\s+(?P<procedure>[^\s(]+) | EXECUTE\s+(?P<prepared>[^\s(]+)", _FLAGS
)
# A parenthesis after the name of a type in a cast, or after the table of an INSERT, calls nothing.
_CALLED = re.compile(rf"(?:INTO\s+{_NAME}|(?<![\w$\".:])(?P<function>{_NAME}))\s*\(", _FLAGS)
# What may stand before a parenthesis in a SELECT and call nothing, and functions that leave rows alone.
_HARMLESS = frozenset(
    re.findall(
        r"\w+",
        """
    all and any array as by case cast distinct else except exists filter from having in intersect lateral
    limit not on or over row select some then union using values when where within
    avg coalesce concat count current_setting greatest least lower max min now nullif sum upper
    nextval setval pg_get_serial_sequence set_config pg_notify pg_sleep
    pg_advisory_lock pg_advisory_unlock pg_advisory_xact_lock pg_try_advisory_lock
    """,
    )
)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a step would do, as far as it can be told without a connection.

    Attributes:
        statements: its SQL in order, comments and semicolons taken off.
        transactional: whether it runs in one transaction.
        losses: what it destroys.
        unseen: why the statements end early; ``None`` when all are there.
    """

    statements: tuple[str, ...]
    transactional: bool
    losses: tuple[Loss, ...]
    unseen: str | None


def losses_of(project: AlembicProject, step: Step) -> tuple[Loss, ...]:
    """What a step destroys; empty when it destroys nothing. See :func:`foresee`."""
    return foresee(project, step).losses


def foresee(project: AlembicProject, step: Step) -> Foreseen:
    """Follow a step without running it: its SQL, and what it destroys.

    The losses are read from that SQL: tables and columns that are dropped, rows that are removed or
    overwritten, types and schemas and what hangs on them; changes of a column's type, unless each value is
    known to stay or to be refused, by an ``op.alter_column`` that says ``existing_type``, outside of batch
    mode.

    The step's function runs without a connection. Where it reads data it cannot be followed to its end,
    and the last loss is of kind ``unknown``; so it is where the function raises. A statement that runs code
    of the database's own is ``unknown``, too.
    """
    script = _Script()
    environment = EnvironmentContext(
        project.config,
        project.script,
        fn=lambda *_: [],
        as_sql=True,
        starting_rev=step.before or None,
        destination_rev=None,
    )
    configure_offline(environment, project.options, output_buffer=script)
    unseen: str | None = None
    operations = _Noted(environment.get_context())
    transactional = True
    try:
        with environment_of(environment), operations_of(operations):
            code = load_code(step.path, step.direction)
            transactional = code.transactional
            code.function()
    except Exception as error:  # noqa: BLE001  # any failure means only that we cannot see further
        unseen = f"{step.direction.value}() {_why_unseen(error)}"
    statements = [statement for written in script.written for statement in _statements(written)]
    seen = (Loss(step.revision, kind, what) for each in statements for kind, what in _losses(*each))
    changed = (
        Loss(step.revision, found.kind, f"{found.what} {found.detail}")
        for found in destructions(operations.invoked)
        if found.kind == "type"
    )
    unknown = [] if unseen is None else [Loss(step.revision, "unknown", unseen)]
    sent = tuple(uncommented(each.text) for written in script.written for each in split(written)[0])
    return Foreseen(sent, transactional, tuple(dict.fromkeys([*seen, *changed, *unknown])), unseen)


def _why_unseen(error: Exception) -> str:
    told = in_one_line(error)
    if isinstance(error, CompileError):
        return f"holds a value without a type ({told})"
    return f"reads data ({told})" if reads_data(error) else f"raises {told}"


def reads_data(error: BaseException) -> bool:
    """Whether a revision that failed without a connection did so for want of what it would have read."""
    return isinstance(error, _NOTHING_READ) and not isinstance(error, CompileError)


class _Noted(Operations):
    """Operations that remember what they were asked to do: the SQL does not tell a column's old type."""

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context)
        self.invoked: list[MigrateOperation] = []

    def invoke(self, operation: MigrateOperation) -> Any:
        self.invoked.append(operation)
        return super().invoke(operation)


class _Script(io.StringIO):
    """What Alembic prints in offline mode, each statement by itself: a bad one cannot hide the next."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write(self, text: str) -> int:
        self.written.append(text)
        return len(text)


def _losses(code: str, statement: str) -> Iterator[tuple[str, str]]:
    """Kind and name of what a statement destroys; ``code`` is the statement without its literals."""
    if found := _DROP_TABLE.match(code):
        yield from (("table", _plain(name[0])) for name in re.finditer(_NAME, found["names"]))
    elif found := _ALTER_TABLE.match(code):
        table = _plain(found["table"])
        for action in _DROP_COLUMN.finditer(found["actions"]):
            yield "column", f"{table}.{action['column']}"
    elif _DESTRUCTIVE.match(code):
        yield "statement", shorten(statement, _SHOWN, placeholder=" …")
    elif not statement.startswith(ROW_CHECK) and (called := _opaque(code)):
        yield "unknown", f"{called} cannot be looked into: {shorten(statement, _SHOWN, placeholder=' …')}"


def _opaque(code: str) -> str | None:
    """What a statement runs whose effect cannot be told; ``None`` when it runs no such thing."""
    if found := _OPAQUE.match(code):
        return "a DO block" if found["block"] else found["procedure"] or found["prepared"]
    if re.match(r"(?:SELECT|WITH|VALUES)\b", code, re.IGNORECASE):
        called = (found["function"] for found in _CALLED.finditer(code))
        return next((f"{name}()" for name in called if name and not _is_harmless(name)), None)
    return None


def _is_harmless(name: str) -> bool:
    """Whether a function leaves rows alone; without a schema, or with PostgreSQL's own in front of it."""
    *schema, function = (part[0].strip('"').lower() for part in re.finditer(_IDENTIFIER, name))
    return function in _HARMLESS and schema in ([], ["pg_catalog"])


def _plain(name: str) -> str:
    """A name without the white space that SQL allows around its dots."""
    return ".".join(part[0] for part in re.finditer(_IDENTIFIER, name))


# The body of a function in SQL is not run by the statement that creates it.
_ATOMIC_BODY = re.compile(r"\bBEGIN\s+ATOMIC\b.*", re.IGNORECASE | re.DOTALL)


def _statements(sql: str) -> Iterator[tuple[str, str]]:
    """The statements of a text, each without comments and literals, and as written without comments."""
    found, _ = split(sql)
    for statement in found:
        code = _ATOMIC_BODY.sub("", unquoted(statement.text))
        yield code.strip(), " ".join(uncommented(statement.text).split())
