"""The order of a revision's operations, the files they come to, and what they destroy: without a server."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy.dialects import postgresql

from headway.autogenerate.destructions import destructions
from headway.autogenerate.extensions import needed
from headway.autogenerate.facts import Facts
from headway.autogenerate.operations import AnnotatedOp, CreateSchemaOp, DropSchemaOp, RemarkOp
from headway.autogenerate.ordering import arranged
from headway.autogenerate.renames import probable, probable_tables, renamed
from headway.autogenerate.safety import Direction, Due
from headway.autogenerate.splitting import files, scripts
from headway.errors import ConfigurationError
from headway.results import Rename

TEXT, INTEGER = sa.Text(), sa.Integer()


def table(name: str, *items: Any, schema: str | None = None, metadata: sa.MetaData | None = None) -> sa.Table:
    id_ = sa.Column("id", INTEGER, primary_key=True)
    return sa.Table(name, metadata or sa.MetaData(), id_, *items, schema=schema)


def create(*args: Any, **named: Any) -> ops.CreateTableOp:
    return ops.CreateTableOp.from_table(table(*args, **named))


def add(name: str, column: str, *items: Any, **options: Any) -> ops.AddColumnOp:
    return ops.AddColumnOp(name, sa.Column(column, TEXT, *items, **options))


def drop(name: str, column: str, *items: Any, **options: Any) -> ops.DropColumnOp:
    return ops.DropColumnOp.from_column_and_tablename(None, name, sa.Column(column, TEXT, *items, **options))


def told(operation: Any) -> str:
    """An operation in a few letters: what it does and to which table or column."""
    if isinstance(operation, ops.AlterColumnOp):
        changed = [
            name.removeprefix("modify_")
            for name, nothing in [
                ("modify_name", None),
                ("modify_type", None),
                ("modify_nullable", None),
                ("modify_server_default", False),
                ("modify_comment", False),
            ]
            if getattr(operation, name) is not nothing
        ]
        return f"{' '.join(changed)} {operation.table_name}.{operation.column_name}"
    kind = type(operation).__name__.removesuffix("Op")
    names = ("index_name", "constraint_name", "column_name", "table_name", "name", "sqltext", "remark")
    return f"{kind} {next(str(getattr(operation, name)) for name in names if getattr(operation, name, None))}"


def order(*operations: Any) -> list[str]:
    return [told(operation) for operation in arranged(operations)]


def in_circle() -> list[ops.CreateTableOp]:
    metadata = sa.MetaData()
    tables = [
        table("a", sa.Column("b", sa.ForeignKey("b.id", name="a_b")), metadata=metadata),
        table("b", sa.Column("a", sa.ForeignKey("a.id", name="b_a")), metadata=metadata),
    ]
    return [ops.CreateTableOp.from_table(one) for one in tables]


def parent_and_child() -> tuple[ops.CreateTableOp, ops.CreateTableOp]:
    metadata = sa.MetaData()
    child = table("child", sa.Column("p", sa.ForeignKey("parent.id", name="fk")), metadata=metadata)
    parent = table("parent", metadata=metadata)
    return ops.CreateTableOp.from_table(parent), ops.CreateTableOp.from_table(child)


PARENT, CHILD = parent_and_child()
UNIQUE = sa.UniqueConstraint("code", name="uq")
table("goods", sa.Column("code", TEXT), UNIQUE)
ORDERS: list[tuple[str, list[Any], list[str]]] = [
    ("parents come first", [CHILD, PARENT], ["CreateTable parent", "CreateTable child"]),
    ("and go last", [PARENT.reverse(), CHILD.reverse()], ["DropTable child", "DropTable parent"]),
    (
        "one foreign key of a circle comes after both tables",
        in_circle(),
        ["CreateTable b", "CreateTable a", "CreateForeignKey b_a"],
    ),
    (
        "and goes before both",
        [one.reverse() for one in in_circle()],
        ["DropConstraint b_a", "DropTable a", "DropTable b"],
    ),
    (
        "a new table's indexes stay with it",
        [CHILD, ops.CreateIndexOp("ix", "parent", ["id"]), PARENT],
        ["CreateTable parent", "CreateIndex ix", "CreateTable child"],
    ),
    (
        "what goes with its table is not dropped by itself",
        [ops.DropIndexOp("ix", "parent"), PARENT.reverse()],
        ["DropTable parent"],
    ),
    (
        "indexes and checks go before their column, and come after it",
        [
            drop("t", "old"),
            ops.CreateIndexOp("ix_new", "t", ["new"]),
            ops.CreateCheckConstraintOp("ck_new", "t", "new <> ''"),
            ops.DropConstraintOp("ck_old", "t", type_="check"),
            ops.DropIndexOp("ix_old", "t"),
            add("t", "new"),
        ],
        [
            "DropIndex ix_old",
            "DropConstraint ck_old",
            "DropColumn old",
            "AddColumn t",
            "CreateCheckConstraint ck_new",
            "CreateIndex ix_new",
        ],
    ),
    (
        "a computed column comes after those it may read, and goes before them",
        [
            add("t", "sum", sa.Computed("a")),
            drop("t", "b"),
            add("t", "a"),
            drop("t", "half", sa.Computed("b")),
        ],
        ["DropColumn half", "DropColumn b", "AddColumn t", "AddColumn t"],
    ),
    (
        "a key comes before the foreign key that needs it",
        [
            ops.CreateForeignKeyOp("fk", "lines", "goods", ["code"], ["code"]),
            ops.CreateUniqueConstraintOp("uq", "goods", ["code"]),
        ],
        ["CreateUniqueConstraint uq", "CreateForeignKey fk"],
    ),
    (
        "and goes after it",
        [
            ops.DropConstraintOp("uq", "goods", type_="unique"),
            ops.DropConstraintOp("fk", "lines", type_="foreignkey"),
        ],
        ["DropConstraint fk", "DropConstraint uq"],
    ),
    (
        "a column is renamed after what uses its old name, and before what uses its new one",
        [
            ops.CreateIndexOp("ix_new", "t", ["new"]),
            ops.AlterColumnOp("t", "old", modify_name="new"),
            ops.DropIndexOp("ix_old", "t"),
        ],
        ["DropIndex ix_old", "name t.old", "CreateIndex ix_new"],
    ),
    (
        "schemas come first and go last, and comments are the last word",
        [
            ops.AlterColumnOp("t", "c", modify_comment="c", modify_type=TEXT),
            create("t", schema="s"),
            DropSchemaOp("old"),
            CreateSchemaOp("s"),
        ],
        ["CreateSchema s", "CreateTable t", "type t.c", "DropSchema old", "comment t.c"],
    ),
    (
        "a default goes before its column's type changes, and comes after it",
        [
            ops.AlterColumnOp("t", "a", modify_server_default="1"),
            ops.AlterColumnOp("t", "a", modify_nullable=False, modify_type=INTEGER),
            ops.AlterColumnOp("t", "a", modify_server_default=None),
        ],
        ["server_default t.a", "type t.a", "nullable t.a", "server_default t.a"],
    ),
    (
        "an exclusion is a constraint like others",
        [CreateExcludeConstraintOp("ex", "t", [("during", "&&")]), add("t", "during")],
        ["AddColumn t", "CreateExcludeConstraint ex"],
    ),
    (
        "SQL that a hook put behind an operation stays behind it",
        [add("t", "new"), ops.ExecuteSQLOp("fill"), ops.DropIndexOp("ix", "t")],
        ["DropIndex ix", "AddColumn t", "ExecuteSQL fill"],
    ),
]


@pytest.mark.parametrize(
    ("operations", "expected"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS]
)
def test_each_operation_finds_what_it_needs(operations: list[Any], expected: list[str]) -> None:
    assert order(*operations) == expected


def test_a_new_tables_foreign_key_waits_for_a_key_that_comes_to_an_old_table() -> None:
    metadata = sa.MetaData()
    table("goods", sa.Column("code", TEXT), metadata=metadata)
    lines = table("lines", sa.Column("code", sa.ForeignKey("goods.code", name="fk")), metadata=metadata)
    key = ops.CreateUniqueConstraintOp("uq", "goods", ["code"])
    created = ops.CreateTableOp.from_table(lines)
    assert order(created, key) == ["CreateTable lines", "CreateUniqueConstraint uq", "CreateForeignKey fk"]
    assert order(key.reverse(), ops.DropTableOp.from_table(lines)) == [
        "DropConstraint fk",
        "DropConstraint uq",
        "DropTable lines",
    ]


# -- files ------------------------------------------------------------------------------------------------


def steps(*operations: Any, online: bool = True, down: bool = False) -> list[Due]:
    facts = Facts(MigrationContext.configure(dialect_name="postgresql"))
    return Direction(arranged(operations), facts, online=online, down=down).steps()


def contents(
    up: list[Any], down: list[Any], *, online: bool = True
) -> list[tuple[str, list[str], list[str]]]:
    made = files(steps(*up, online=online), steps(*down, online=online, down=True))
    return [
        (
            file.part.name,
            [told(step.operation) for step in file.up],
            [told(step.operation) for step in file.down],
        )
        for file in made
    ]


INDEX = ops.CreateIndexOp("ix", "t", ["new"])
MUST = add("t", "must", nullable=False)
FILES: list[tuple[str, list[Any], list[Any], list[tuple[str, list[str], list[str]]]]] = [
    ("nothing to split", [add("t", "c")], [drop("t", "c")], [("MAIN", ["AddColumn t"], ["DropColumn c"])]),
    (
        "an index of a new column comes in a file after it",
        [add("t", "new"), INDEX],
        [INDEX.reverse(), drop("t", "new")],
        [("MAIN", ["AddColumn t"], ["DropColumn new"]), ("AFTER", ["CreateIndex ix"], ["DropIndex ix"])],
    ),
    (
        "an index goes in a file before its column",
        [ops.DropIndexOp.from_index(INDEX.to_index()), drop("t", "new")],
        [add("t", "new"), INDEX],
        [("BEFORE", ["DropIndex ix"], ["CreateIndex ix"]), ("MAIN", ["DropColumn new"], ["AddColumn t"])],
    ),
    (
        "indexes alone are one file",
        [ops.DropIndexOp.from_index(INDEX.to_index()), INDEX],
        [INDEX.reverse(), INDEX],
        [("AFTER", ["DropIndex ix", "CreateIndex ix"], ["DropIndex ix", "CreateIndex ix"])],
    ),
    (
        "an index of a new table is made with it",
        [create("t", sa.Column("new", TEXT)), INDEX],
        [create("t").reverse()],
        [("MAIN", ["CreateTable t", "CreateIndex ix"], ["DropTable t"])],
    ),
    (
        "NOT NULL without a default comes when the rows are filled",
        [MUST],
        [drop("t", "must")],
        [("MAIN", ["AddColumn t"], ["DropColumn must"]), ("AFTER", ["SetNotNull must"], ["nullable t.must"])],
    ),
    (
        "a foreign key is validated afterwards",
        [ops.CreateForeignKeyOp("fk", "t", "u", ["a"], ["id"])],
        [ops.DropConstraintOp("fk", "t", type_="foreignkey")],
        [("MAIN", ["CreateForeignKey fk"], ["DropConstraint fk"]), ("AFTER", ["ValidateConstraint fk"], [])],
    ),
    (
        "a unique index that a foreign key needs is made in its transaction",
        [
            ops.CreateIndexOp("ix", "u", ["code"], unique=True),
            ops.CreateForeignKeyOp(None, "t", "u", ["a"], ["code"]),
        ],
        [],
        [("MAIN", ["CreateIndex ix", "CreateForeignKey t"], [])],
    ),
]


@pytest.mark.parametrize(
    ("up", "down", "expected"), [row[1:] for row in FILES], ids=[row[0] for row in FILES]
)
def test_what_needs_no_lock_has_a_file_of_its_own(
    up: list[Any], down: list[Any], expected: list[tuple[str, list[str], list[str]]]
) -> None:
    # told() calls a foreign key without a name by its source table.
    for operation in up:
        if isinstance(operation, ops.CreateForeignKeyOp):
            operation.table_name = operation.source_table  # type: ignore[attr-defined]  # see above
    assert contents(up, down) == expected


def test_all_of_it_is_one_transactional_file_where_the_project_wishes() -> None:
    both = contents([MUST, INDEX], [INDEX.reverse(), drop("t", "must")], online=False)
    assert both == [
        (
            "MAIN",
            ["AddColumn t", "RefuseRows t", "nullable t.must", "CreateIndex ix"],
            ["DropIndex ix", "DropColumn must"],
        )
    ]


def test_the_files_are_a_chain_that_begins_where_asked_and_ends_with_the_chosen_id() -> None:
    script = ops.MigrationScript(
        "0042",
        ops.UpgradeOps([]),
        ops.DowngradeOps([]),
        message="m",
        head="billing@head",
        splice=True,
        branch_label="x",
        version_path="more",
        depends_on="aa",
    )
    found = files(
        steps(
            ops.DropIndexOp.from_index(INDEX.to_index()), add("t", "c"), ops.CreateIndexOp("i", "t", ["c"])
        ),
        [],
    )
    made = scripts(script, found)
    assert [(one.rev_id, one.head, one.splice, one.branch_label, one.depends_on) for one in made] == [
        ("0042_1", "billing@head", True, "x", "aa"),
        ("0042_2", "0042_1", False, None, None),
        ("0042", "0042_2", False, None, None),
    ]
    assert [one.message for one in made] == ["m (first)", "m", "m (online)"]
    assert {one.version_path for one in made} == {"more"}
    assert [bool(one.imports) for one in made] == [True, False, True]


def test_an_id_that_alembic_made_up_is_not_continued() -> None:
    script = ops.MigrationScript("0123456789ab", ops.UpgradeOps([]), ops.DowngradeOps([]), message=None)
    made = scripts(script, files(steps(MUST), []))
    assert made[-1].rev_id == "0123456789ab"
    assert "_" not in str(made[0].rev_id)


def test_a_downgrade_that_would_be_a_remark_only_does_nothing() -> None:
    [script] = scripts(
        ops.MigrationScript("a", ops.UpgradeOps([]), ops.DowngradeOps([])),
        files(steps(add("t", "c")), [Due(RemarkOp("it stays"))]),
    )
    assert script.downgrade_ops is not None
    assert script.downgrade_ops.ops == []


# -- what must be there before ---------------------------------------------------------------------------


def booked(*elements: Any, **options: Any) -> ops.CreateTableOp:
    columns = (sa.Column("room", INTEGER), sa.Column("during", postgresql.TSRANGE))
    return create("t", *columns, postgresql.ExcludeConstraint(*elements, **options))


NEEDED: list[tuple[Any, list[str]]] = [
    (create("t", sa.Column("v", VECTOR(3)), sa.Column("c", postgresql.CITEXT)), ["vector", "citext"]),
    (booked(("room", "="), ("during", "&&")), ["btree_gist"]),
    (booked(("during", "&&")), []),
    (booked(("room", "="), using="btree"), []),
    (ops.CreateIndexOp("i", "t", [sa.Column("n", INTEGER)], postgresql_using="gist"), ["btree_gist"]),
    (ops.CreateIndexOp("i", "t", [sa.Column("n", TEXT)], postgresql_using="gin"), ["btree_gin"]),
    (ops.CreateIndexOp("i", "t", [sa.Column("j", postgresql.JSONB)], postgresql_using="gin"), []),
    (
        ops.CreateIndexOp(
            "i", "t", [sa.Column("n", TEXT)], postgresql_using="gin", postgresql_ops={"n": "gin_trgm_ops"}
        ),
        ["pg_trgm"],
    ),
    (INDEX, []),
]


@pytest.mark.parametrize(("operation", "expected"), NEEDED)
def test_the_extensions_that_an_operation_needs_are_known(operation: Any, expected: list[str]) -> None:
    assert needed([operation], Facts(MigrationContext.configure(dialect_name="postgresql"))) == expected


# -- what is destroyed ------------------------------------------------------------------------------------


def alter(old: Any, new: Any) -> ops.AlterColumnOp:
    return ops.AlterColumnOp("t", "c", schema="s", existing_type=old, modify_type=new)


class ChangedEnum(ops.MigrateOperation):
    """As alembic-postgresql-enum has it."""

    operation_name = "change_enum_variants"
    name = "mood"
    old_values = ("sad", "ok")
    new_values = ("ok", "glad")


DESTROYED: list[tuple[Any, list[str]]] = [
    (create("t", schema="s").reverse(), ["drops table s.t"]),
    (drop("t", "c"), ["drops column t.c"]),
    (ops.ModifyTableOps("t", [drop("t", "c"), drop("t", "d")]), ["drops column t.c", "drops column t.d"]),
    (AnnotatedOp(drop("t", "c")), ["drops column t.c"]),
    (DropSchemaOp("s"), ["drops schema s"]),
    (ChangedEnum(), ["removes 'sad' from enum mood"]),
    (ops.DropIndexOp("ix", "t"), []),
    (ops.DropConstraintOp("ck", "t"), []),
    (create("t"), []),
    (ops.AlterColumnOp("t", "c", modify_nullable=True), []),
    (
        alter(sa.Numeric(10, 4), sa.Numeric(10, 2)),
        ["changes s.t.c from NUMERIC(10, 4) to NUMERIC(10, 2), which may round or cut its values"],
    ),
]
LOSES = [
    (sa.Numeric(), sa.Numeric(5, 2)),
    (sa.Numeric(10, 2), INTEGER),
    (sa.Double(), sa.BigInteger()),
    (sa.Double(), sa.REAL()),
    (sa.DateTime(timezone=True), sa.Date()),
    (postgresql.TIMESTAMP(precision=6), postgresql.TIMESTAMP(precision=0)),
    (VECTOR(3), HALFVEC(3)),
    (sa.JSON(), postgresql.JSONB()),
    (sa.String(20), sa.Numeric(10, 1)),
    (sa.String(20, collation="C"), sa.Date()),
    (TEXT, INTEGER),  # '007' becomes 7
    (TEXT, postgresql.ARRAY(TEXT)),
    (postgresql.ARRAY(sa.Numeric(10, 2)), postgresql.ARRAY(INTEGER)),
    (INTEGER, sa.Numeric(5, -2)),
    (INTEGER, sa.Float(24)),
    (postgresql.INET(), postgresql.CIDR()),
    (sa.DateTime(), sa.DateTime(timezone=True)),
    (sa.DateTime(timezone=True), sa.DateTime()),
    (postgresql.MONEY(), sa.Numeric(10, 1)),
]
KEEPS = [
    (sa.Numeric(10, 2), sa.Numeric(12, 4)),
    (sa.Numeric(10, 2), sa.Numeric()),
    (sa.SmallInteger(), sa.BigInteger()),
    (sa.BigInteger(), INTEGER),  # PostgreSQL refuses what does not fit
    (sa.String(50), sa.String(10)),  # likewise
    (sa.String(50), TEXT),
    (HALFVEC(3), VECTOR(3)),
    (TEXT, sa.Enum("a", name="e")),
    (sa.Enum("a", name="e"), sa.String(5)),
    (sa.String(5, collation="C"), sa.String(5)),
    (postgresql.ARRAY(INTEGER), postgresql.ARRAY(sa.BigInteger())),
    (postgresql.DOMAIN("positive", INTEGER), sa.Numeric(10, 2)),
    (sa.Float(), sa.Double()),
    (postgresql.CIDR(), postgresql.INET()),
    (sa.Date(), sa.DateTime()),
]


@pytest.mark.parametrize(("operation", "expected"), DESTROYED)
def test_what_an_operation_destroys_is_told(operation: Any, expected: list[str]) -> None:
    assert [str(found) for found in destructions([operation])] == expected


@pytest.mark.parametrize(
    ("old", "new", "loses"), [(*pair, True) for pair in LOSES] + [(*p, False) for p in KEEPS]
)
def test_a_change_of_type_is_marked_unless_each_value_is_known_to_stay_or_to_be_refused(
    old: Any, new: Any, loses: Any
) -> None:
    assert bool(destructions([alter(old, new)])) is loses


def test_the_mark_says_that_the_time_zone_of_the_session_decides() -> None:
    [found] = destructions([alter(sa.DateTime(), sa.DateTime(timezone=True))])
    assert "where the time zone of the session decides what its values become" in str(found)


NOT_RESTORED: list[tuple[Any, tuple[str, ...]]] = [
    (create("t", schema="s"), ("s.t: its rows do not come back",)),
    (add("t", "c"), ("t.c: its values do not come back",)),
    (add("t", "c", nullable=False, server_default="x"), ("t.c: its values do not come back",)),
    (add("t", "c", sa.Computed("id")), ()),
    (
        alter(INTEGER, sa.Numeric(10, 2)),
        ("s.t.c: what the upgrade changed of its values does not come back",),
    ),
    (alter(sa.BigInteger(), INTEGER), ()),
    (ops.AlterColumnOp("t", "c", modify_nullable=True), ()),
    (INDEX, ()),
]


@pytest.mark.parametrize(("operation", "expected"), NOT_RESTORED)
def test_a_downgrade_says_what_does_not_come_back_and_an_upgrade_does_not(
    operation: Any, expected: tuple[str, ...]
) -> None:
    assert [step.remarks for step in steps(operation, down=True)] == [expected]
    assert not any("come back" in said for step in steps(operation) for said in step.remarks)


# -- renames ----------------------------------------------------------------------------------------------


def sql_of(type_: Any) -> str:
    return str(type_)


def test_one_column_gone_and_one_come_of_its_type_may_be_a_rename() -> None:
    operations = [drop("users", "mail"), add("users", "email"), add("other", "mail")]
    assert probable(operations, sql_of) == (Rename("users.mail", "users.email"),)


@pytest.mark.parametrize(
    "come",
    [
        [],
        [ops.AddColumnOp("users", sa.Column("email", INTEGER))],
        [add("users", "email"), add("users", "address")],
        [add("users", "email", sa.Computed("x"))],
    ],
    ids=["none came", "another type", "two came", "computed"],
)
def test_nothing_is_guessed_where_it_cannot_be_known(come: list[Any]) -> None:
    assert probable([drop("users", "mail"), *come], sql_of) == ()


def test_a_rename_keeps_the_keys_and_indexes_that_keep_their_names() -> None:
    up: list[Any] = [
        ops.DropIndexOp.from_index(ops.CreateIndexOp("ix", "users", ["mail"]).to_index()),
        ops.CreateIndexOp("ix", "users", ["email"]),
        add("users", "email", nullable=False),
        drop("users", "mail"),
    ]
    down: list[Any] = [drop("users", "email", nullable=False), add("users", "mail")]
    there, back = renamed(up, down, [Rename("users.mail", "users.email")], sql_of)
    assert [told(operation) for operation in there] == ["name users.mail", "nullable users.email"]
    assert [told(operation) for operation in back] == ["name users.email", "nullable users.mail"]


def test_a_rename_that_nothing_shows_is_refused_with_what_could_be_one() -> None:
    both: list[Any] = [drop("users", "mail"), add("users", "email")]
    with pytest.raises(ConfigurationError, match=r"users\.mail=users\.email"):
        renamed(both, both, [Rename("users.mial", "users.email")], sql_of)


def test_a_table_that_came_with_the_columns_of_one_that_went_may_be_it() -> None:
    gone, come = create("people", sa.Column("a", TEXT)).reverse(), create("persons", sa.Column("a", TEXT))
    other = create("others", sa.Column("b", TEXT))
    assert probable_tables([gone, come, other], sql_of) == (Rename("people", "persons"),)
    assert probable_tables([gone, come, create("more", sa.Column("a", TEXT))], sql_of) == ()
    assert probable_tables([gone, other], sql_of) == ()
