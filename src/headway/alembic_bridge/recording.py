"""A revision's statements, taken down while its function runs against no database at all.

What only emits does the same whether its statements are sent one by one or together. As soon as a revision
wants to know something that only a database can tell, recording ends, and it is run on a live connection.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from alembic.operations import Operations
from sqlalchemy import TextClause
from sqlalchemy.schema import ExecutableDDLElement

from headway.alembic_bridge.routing import environment_of, operations_of
from headway.indexes import is_to_be_looked_at
from headway.sqltext import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Dialect

    from headway.alembic_bridge.code import RevisionCode

T = TypeVar("T")

# Statements that do the same among others as alone, and leave the transaction as it is. Whatever sets
# something for the session, ends or divides a transaction, or copies to and from the client is none of them.
_WORD = re.compile(r"[A-Za-z]+")
# One statement, whatever it says: without a separator, a comment, a body, or a quote within quotes.
_PLAIN = re.compile(r"""(?:[\w\s(),.=]++|'[^'\\\0]*+'|"[^"\0]*+")++""")
_RECORDED = frozenset(
    {
        *("CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "SECURITY", "REFRESH", "TRUNCATE", "LOCK"),
        *("INSERT", "UPDATE", "DELETE", "MERGE", "SELECT", "WITH", "DO", "ANALYZE"),
    }
)


class _Asked(BaseException):
    """The revision wants what only a database can tell; no ``except Exception`` of its own holds it up."""


class _Answer:
    """What a statement answers that was not sent; it may be dropped, and nothing else."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def close(self) -> None:
        """There is nothing to let go of."""

    def __iter__(self) -> Iterator[Any]:
        self._recorder.end()

    def __getattr__(self, name: str) -> Any:
        self._recorder.end()


class Recorder:
    """Stands for a connection and notes what it is given.

    Attributes:
        dialect: of the connection it stands for.
        statements: what was noted, one statement each.
        ended: recording came to its end, for the revision has asked for something.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.statements: list[str] = []
        self.ended = False

    def end(self, *_: Any, **__: Any) -> NoReturn:
        """End the recording; what was noted is void.

        Raises:
            BaseException: always, to leave the revision.
        """
        self.ended = True
        raise _Asked

    def execute(self, construct: Any, parameters: Any = None, **options: Any) -> Any:
        """Note a statement without parameters, as SQLAlchemy's connection takes it."""
        if parameters or options.get("execution_options"):
            self.end()
        if isinstance(construct, ExecutableDDLElement):
            return self._note(str(construct.compile(dialect=self.dialect)))
        if not isinstance(construct, TextClause):
            self.end()
        compiled = construct.compile(dialect=self.dialect)
        if compiled.params:
            self.end()
        return self._note(str(compiled), several=True)

    def exec_driver_sql(self, statement: str, parameters: Any = None, **_: Any) -> Any:
        """Note a statement as the driver takes it; of options, those of headway's own change nothing here."""
        if parameters:
            self.end()
        return self._note(statement)

    def schema_for_object(self, item: Any) -> Any:
        """What SQLAlchemy's visitors of DDL ask; schemas are not translated here."""
        return item.schema

    def _run_ddl_visitor(self, visitor: Any, element: Any, **how: Any) -> None:
        # So SQLAlchemy creates what hangs on a table; with checkfirst it would look first.
        if how.get("checkfirst"):
            self.end()
        visitor(self.dialect, self, **how).traverse_single(element)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy, pickle and inspect ask for these
            raise AttributeError(name)
        self.end()

    def _note(self, sql: str, *, several: bool = False) -> _Answer:
        for statement in [sql.strip()] if _PLAIN.fullmatch(sql) else self._split(sql, several=several):
            word = _WORD.match(statement)
            if word is None or word[0].upper() not in _RECORDED or is_to_be_looked_at(statement):
                self.end()
            self.statements.append(statement)
        return _Answer(self)

    def _split(self, sql: str, *, several: bool) -> list[str]:
        found, flaws = split(sql)
        if flaws or "\0" in sql or not found or (len(found) > 1 and not several):
            self.end()
        return [statement.text for statement in found]


class Recorded(NamedTuple):
    """What a revision's function emits, and what SQLAlchemy remembers once that has been run."""

    statements: tuple[str, ...]
    memo: dict[str, Any]


def remembered(context: MigrationContext) -> dict[str, Any]:
    """A copy of what SQLAlchemy notes in a context: the types it has created, so as to create none twice."""
    return _copied(context.impl.memo)


def _copied(memo: Mapping[str, Any]) -> dict[str, Any]:
    return {key: copy.copy(value) for key, value in memo.items()}


def _twin_of(thing: T) -> T:
    """What ``copy.copy`` makes of a plain object, in a fraction of its time."""
    twin = object.__new__(type(thing))
    vars(twin).update(vars(thing))
    return twin


class Recording:
    """Takes revisions down, one after another, in a migration context that is like a live one.

    Args:
        environment: of the run.
        context: its own, on a live connection.
    """

    def __init__(self, environment: EnvironmentContext, context: MigrationContext) -> None:
        self._environment = environment
        self._live = context

    def of(self, code: RevisionCode, *, after: Recorded | None = None) -> Recorded | None:
        """The statements a revision's function emits, in order.

        Args:
            code: of the revision.
            after: what is being run now, and is to have been run before it.

        Returns:
            ``None`` when they cannot be known without a database, or when it raises: what is then to be
            said, a live connection will tell.
        """
        if not code.repeatable:
            return None
        recorder = Recorder(self._live.dialect)
        memo = remembered(self._live) if after is None else _copied(after.memo)
        context = self._context(recorder, memo)
        environment = self._environment
        # `alembic.context` asks its environment; the name is Alembic's own, under a canary.
        environment._migration_context = context  # noqa: SLF001
        try:
            with environment_of(environment), operations_of(Operations(context)):
                code.function()
        except (_Asked, Exception):  # noqa: BLE001  # it will be raised again where it can be told of
            return None
        finally:
            environment._migration_context = self._live  # noqa: SLF001
        return None if recorder.ended else Recorded(tuple(recorder.statements), memo)

    def keep(self, recorded: Recorded) -> None:
        """What was recorded has been run: what was remembered of it counts from now on."""
        self._live.impl.memo = recorded.memo

    def _context(self, recorder: Recorder, memo: dict[str, Any]) -> MigrationContext:
        context = _twin_of(self._live)
        context.connection = recorder  # type: ignore[assignment]  # it stands for one
        context.impl = _twin_of(context.impl)
        context.impl.connection = recorder  # type: ignore[assignment]  # as above
        context.impl.memo = memo
        context.autocommit_block = recorder.end  # type: ignore[method-assign]
        context.begin_transaction = recorder.end  # type: ignore[method-assign]
        return context
