"""The hooks that ``headway.env`` gives to Alembic; what they do is loaded when Alembic first calls them.

A run compares nothing and writes no file, and most processes only run.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrationScript
    from alembic.runtime.migration import MigrationContext


@dataclass(frozen=True, slots=True)
class Writing:
    """How files are written.

    Attributes:
        online: what can be done outside a transaction, without keeping others out of a table, goes into
            revisions of its own; else all is in one.
        drop_extensions: a downgrade drops the extensions that its upgrade created; else they stay.
    """

    online: bool = True
    drop_extensions: bool = False


def writing(
    own: Callable[[MigrationContext, Any, list[MigrationScript]], None] | None, how: Writing
) -> Callable[[MigrationContext, Any, list[MigrationScript]], None]:
    """The value of ``process_revision_directives`` with which files come out right.

    Args:
        own: the project's, which is called first and sees Alembic's operations as they are.
        how: what the project wishes.
    """

    def process(context: MigrationContext, revision: Any, directives: list[MigrationScript]) -> None:
        from headway.autogenerate.directives import rewrite

        # Alembic learns from it how to write the operations that take the place of its own.
        import_module("headway.autogenerate.rendering")
        if own is not None:
            own(context, revision, directives)
        rewrite(context, directives, how)

    return process


def render_item(
    own: Callable[[str, Any, AutogenContext], Any] | None,
) -> Callable[[str, Any, AutogenContext], Any]:
    """The value of ``render_item`` with which files come out complete; ``own`` is the project's and is first.

    Types have their imports, and defaults, computed columns, checks and exclusions are written so that
    SQLAlchemy reads from the file what the model, or the database, said.
    """

    def render(kind: str, item: Any, context: AutogenContext) -> Any:
        rendered = own(kind, item, context) if own is not None else False
        if rendered is not False:
            return rendered
        from headway.autogenerate.rendering import text_of

        text = text_of(kind, item, context)
        return False if text is None else text

    return render
