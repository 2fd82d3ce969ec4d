"""Operations as a revision file writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy.sql.elements import ColumnClause, conv

from headway.autogenerate import enumtext
from headway.autogenerate.enumchange import EnumLabelsOp
from headway.autogenerate.hooks import render_item
from headway.autogenerate.literals import parsable_sql, plain_sql
from headway.autogenerate.operations import (
    AnnotatedOp,
    CreateExtensionOp,
    CreateSchemaOp,
    DropExtensionOp,
    DropSchemaOp,
    RefuseRowsOp,
    RemarkOp,
    SetNotNullOp,
    ValidateConstraintOp,
)
from headway.autogenerate.sourcetext import call, given, in_pieces, remark
from headway.autogenerate.typetext import type_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import MigrateOperation


def complete(context: AutogenContext) -> None:
    """Have whatever ``context`` is asked to write come out with its imports, whoever configured it."""
    context.opts["render_item"] = render_item(context.opts.get("render_item"))


def text_of(kind: str, item: Any, context: AutogenContext) -> str | None:
    """How a file writes a part of an operation; ``None`` where Alembic's own way is right."""
    if kind == "type":
        return type_text(item, context)
    if kind == "server_default":
        return _server_default(item, context)
    if kind == "check" and not getattr(item, "_type_bound", False):
        return call(f"{_sa(context)}CheckConstraint", [repr(parsable_sql(item.sqltext))], name=_name(item))
    if kind == "exclude":
        return _exclude(item, context, f"{_dialect(context)}ExcludeConstraint", [], name=_name(item))
    return None


def _server_default(default: Any, context: AutogenContext) -> str | None:
    if isinstance(default, sa.Computed):
        persisted = None if default.persisted is None else repr(default.persisted)
        return call(f"{_sa(context)}Computed", [repr(parsable_sql(default.sqltext))], persisted=persisted)
    if not isinstance(default, sa.DefaultClause):
        return None
    if isinstance(default.arg, str):
        return repr(default.arg)
    return f"{_sa(context)}text({parsable_sql(default.arg)!r})"


@renderers.dispatch_for(AnnotatedOp)
def _render_annotated(context: AutogenContext, annotated: AnnotatedOp) -> list[str]:
    lines = [line for said in annotated.remarks for line in remark(said)]
    rendered = _rendered(context, annotated.operation)
    return [*lines, *(in_pieces(text) for text in ([rendered] if isinstance(rendered, str) else rendered))]


@renderers.dispatch_for(RemarkOp)
def _render_remark(_: AutogenContext, operation: RemarkOp) -> list[str]:
    return remark(operation.remark)


def _rendered(context: AutogenContext, operation: MigrateOperation) -> str | list[str]:
    if _convention(context) and isinstance(operation, ops.CreateUniqueConstraintOp | ops.CreateForeignKeyOp):
        operation.constraint_name = _proof(operation.constraint_name)
    for class_, render in _RENDERERS.items():
        if isinstance(operation, class_):
            return render(context, operation)
    if isinstance(operation, EnumLabelsOp):
        made = [_rendered(context, part) for part in operation.parts]
        return [line for lines in made for line in ([lines] if isinstance(lines, str) else lines)]
    sent = enumtext.statements(operation, context)
    if sent is not None:
        return [f"{_op(context)}execute({parsable_sql(statement)!r})" for statement in sent]
    rendered: str | list[str] = renderers.dispatch(operation)(context, operation)
    return rendered


def _create_index(context: AutogenContext, operation: ops.CreateIndexOp) -> str:
    index = operation.to_index()
    columns = ", ".join(_index_expression(expression, context) for expression in index.expressions)
    options = _options(index.dialect_kwargs, context)
    return call(
        f"{_op(context)}create_index",
        [_shown_name(index.name, context), repr(operation.table_name), f"[{columns}]"],
        unique="True" if index.unique else None,
        schema=given(operation.schema),
        **options,
        if_not_exists=given(operation.if_not_exists),
    )


def _index_expression(expression: Any, context: AutogenContext) -> str:
    if isinstance(expression, sa.Column):
        return repr(str(expression.name))
    if isinstance(expression, sa.TextClause):
        return f"{_sa(context)}text({parsable_sql(expression)!r})"
    # PostgreSQL wants brackets around what is neither a column nor a call.
    text = plain_sql(expression.self_group() if hasattr(expression, "self_group") else expression)
    label = f".label({expression.name!r})" if isinstance(expression, sa.Label) else ""
    return f"{_sa(context)}literal_column({text!r}){label}"


def _options(values: Mapping[str, Any], context: AutogenContext) -> dict[str, str]:
    """The options of a dialect that say something."""
    return {
        # A column by itself is a condition here, not a name.
        str(name): _text(value, context) if isinstance(value, sa.ClauseElement) else _value(value, context)
        for name, value in values.items()
        if isinstance(value, sa.ClauseElement) or value
    }


def _text(expression: sa.ClauseElement, context: AutogenContext) -> str:
    return f"{_sa(context)}text({parsable_sql(expression)!r})"


def _value(value: Any, context: AutogenContext) -> str:
    if isinstance(value, sa.Column):
        return repr(str(value.name))
    if isinstance(value, sa.ClauseElement):
        return _text(value, context)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item, context) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_value(item, context)}" for key, item in value.items()) + "}"
    return repr(str(value) if isinstance(value, str) else value)


def _drop_index(context: AutogenContext, operation: ops.DropIndexOp) -> str:
    concurrently = operation.kw.get("postgresql_concurrently")
    return call(
        f"{_op(context)}drop_index",
        [_shown_name(operation.index_name, context)],
        table_name=repr(operation.table_name),
        schema=given(operation.schema),
        postgresql_concurrently=given(concurrently),
        if_exists=given(operation.if_exists),
    )


def _create_check(context: AutogenContext, operation: ops.CreateCheckConstraintOp) -> str:
    constraint: Any = operation.to_constraint()
    options = _options(constraint.dialect_kwargs, context)
    return call(
        f"{_op(context)}create_check_constraint",
        [
            _final_name(operation.constraint_name, context),
            repr(operation.table_name),
            repr(parsable_sql(constraint.sqltext)),
        ],
        schema=given(operation.schema),
        **options,
    )


# Alembic's raises NotImplementedError: it finds no change of a primary key by itself.
@renderers.dispatch_for(ops.CreatePrimaryKeyOp, replace=True)
def _create_primary_key(context: AutogenContext, operation: ops.CreatePrimaryKeyOp) -> str:
    columns = [str(column) for column in operation.columns]
    options = _options(operation.kw, context)
    return call(
        f"{_op(context)}create_primary_key",
        [_final_name(operation.constraint_name, context), repr(operation.table_name), repr(columns)],
        schema=given(operation.schema),
        **options,
    )


def _drop_constraint(context: AutogenContext, operation: ops.DropConstraintOp) -> str:
    return call(
        f"{_op(context)}drop_constraint",
        [_final_name(operation.constraint_name, context), repr(operation.table_name)],
        schema=given(operation.schema),
        type_=given(operation.constraint_type),
        if_exists=given(operation.if_exists),
    )


def _create_exclude(context: AutogenContext, operation: CreateExcludeConstraintOp) -> str:
    leading = [_final_name(operation.constraint_name, context), repr(str(operation.table_name))]
    constraint = operation.to_constraint()
    name = f"{_op(context)}create_exclude_constraint"
    return _exclude(constraint, context, name, leading, schema=given(operation.schema))


def _exclude(
    constraint: Any, context: AutogenContext, function: str, leading: list[str], **options: str | None
) -> str:
    elements = [
        f"({_exclude_element(expression, context)}, {operator!r})"
        for expression, _, operator in constraint._render_exprs  # noqa: SLF001  # nothing else holds them
    ]
    where = None
    if constraint.where is not None:
        where = f"{_sa(context)}text({parsable_sql(constraint.where)!r})"
    return call(
        function,
        [*leading, *elements],
        where=where,
        using=given(constraint.using),
        ops=given(dict(constraint.ops)) if constraint.ops else None,
        deferrable=given(constraint.deferrable),
        initially=given(constraint.initially),
        **options,
    )


def _exclude_element(expression: Any, context: AutogenContext) -> str:
    if isinstance(expression, ColumnClause) and not expression.is_literal:
        return f"{_sa(context)}column({str(expression.name)!r})"
    return f"{_sa(context)}literal_column({plain_sql(expression)!r})"


def _alter_column(context: AutogenContext, operation: ops.AlterColumnOp) -> str | list[str]:
    """Alembic's, without what PostgreSQL need not be told, and with what Alembic does not write."""
    default = operation.existing_server_default
    short = ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=operation.existing_type if operation.modify_type is not None else None,
        existing_server_default=default if isinstance(default, sa.Identity) else False,
        modify_nullable=operation.modify_nullable,
        modify_comment=operation.modify_comment,
        modify_server_default=operation.modify_server_default,
        modify_name=operation.modify_name,
        modify_type=operation.modify_type,
    )
    rendered: Any = renderers.dispatch(operation)(context, short)
    more = {"postgresql_using": given(operation.kw.get("postgresql_using"))}
    if operation.modify_server_default is not False and isinstance(default, sa.Identity):
        # Without it an identity that goes is taken for a default, and one that changes for a new one.
        more["existing_server_default"] = _identity(default, context)
    added = [f", {name}={value}" for name, value in more.items() if value]
    return "".join([rendered.removesuffix(")"), *added, ")"]) if added else rendered


def _identity(identity: sa.Identity, context: AutogenContext) -> str:
    names = ("start", "increment", "minvalue", "maxvalue", "nominvalue", "nomaxvalue", "cycle", "cache")
    options = {name: given(getattr(identity, name)) for name in ("always", *names)}
    return call(f"{_sa(context)}Identity", [], **options)


def _create_table(context: AutogenContext, operation: ops.CreateTableOp) -> str | list[str]:
    """Alembic's, after constraints' names were made proof against the naming convention of the models."""
    for item in operation.columns:
        if isinstance(item, sa.Constraint) and _convention(context):
            item.name = _proof(item.name)
    operation.info = {}
    # What a sequence of its own numbers must not become SERIAL, which Alembic's renderer does not say.
    numbered = [item for item in operation.columns if isinstance(item, sa.Column) and _has_sequence(item)]
    before = [column.autoincrement for column in numbered]
    for column in numbered:
        column.autoincrement = False
    try:
        rendered: str | list[str] = renderers.dispatch(operation)(context, operation)
    finally:
        for column, autoincrement in zip(numbered, before, strict=True):
            column.autoincrement = autoincrement
    return rendered


def _has_sequence(column: sa.Column[Any]) -> bool:
    return isinstance(column.default, sa.Sequence) and not column.default.optional


def _directive(name: str, *leading: str, **options: str) -> Callable[[AutogenContext, Any], str]:
    """The renderer of a call of :mod:`headway.op`, from the attributes that hold its parameters."""

    def render(context: AutogenContext, operation: Any) -> str:
        context.imports.add("import headway.op")
        return call(
            f"headway.op.{getattr(operation, 'directive', name)}",
            [repr(str(getattr(operation, attribute))) for attribute in leading],
            **{option: given(getattr(operation, attribute)) for option, attribute in options.items()},
        )

    return render


_RENDERERS: Mapping[type[MigrateOperation], Callable[[AutogenContext, Any], str | list[str]]] = {
    ops.CreateIndexOp: _create_index,
    ops.DropIndexOp: _drop_index,
    ops.CreateCheckConstraintOp: _create_check,
    ops.CreatePrimaryKeyOp: _create_primary_key,
    ops.DropConstraintOp: _drop_constraint,
    CreateExcludeConstraintOp: _create_exclude,
    ops.AlterColumnOp: _alter_column,
    ops.CreateTableOp: _create_table,
    CreateExtensionOp: _directive("create_extension", "name", schema="schema"),
    DropExtensionOp: _directive("drop_extension", "name"),
    CreateSchemaOp: _directive("create_schema", "name"),
    DropSchemaOp: _directive("drop_schema", "name"),
    ValidateConstraintOp: _directive("validate_constraint", "constraint_name", "table_name", schema="schema"),
    SetNotNullOp: _directive("set_not_null", "table_name", "column_name", schema="schema"),
    RefuseRowsOp: _directive("", "table_name", where="where", because="because", schema="schema"),
}


def _op(context: AutogenContext) -> str:
    return str(context.opts.get("alembic_module_prefix") or "")


def _sa(context: AutogenContext) -> str:
    return str(context.opts.get("sqlalchemy_module_prefix") or "")


def _dialect(context: AutogenContext) -> str:
    context.imports.add("from sqlalchemy.dialects import postgresql")
    return "postgresql."


def _name(constraint: Any) -> str | None:
    """The name of a constraint within CREATE TABLE."""
    if not isinstance(constraint.name, str):
        return None
    shown = repr(str(constraint.name))
    return f"op.f({shown})" if isinstance(constraint.name, conv) else shown


def _shown_name(name: Any, context: AutogenContext) -> str:
    if not isinstance(name, str):
        return "None"
    return f"{_op(context)}f({str(name)!r})" if isinstance(name, conv) else repr(str(name))


def _final_name(name: Any, context: AutogenContext) -> str:
    """A constraint's name as it is in the database; a naming convention must not be applied to it again."""
    if isinstance(name, str) and _convention(context):
        return f"{_op(context)}f({str(name)!r})"
    return _shown_name(name, context)


def _proof(name: Any) -> Any:
    """A name that no naming convention is applied to any more."""
    return conv(name) if type(name) is str else name


def _convention(context: AutogenContext) -> bool:
    """Whether the models have a naming convention besides SQLAlchemy's own for indexes."""
    metadata = context.metadata
    several = metadata if isinstance(metadata, list | tuple) else [metadata]
    return any({*getattr(one, "naming_convention", ())} - {"ix"} for one in several)
