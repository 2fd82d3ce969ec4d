"""Models that use what models can use, and the changes that somebody could make to their database."""

from __future__ import annotations

import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy.dialects import postgresql as pg

SCHEMA = "other"
"""Where some of the tables are; it must be there before they are created."""


def rich_models() -> sa.MetaData:
    """The models, anew."""
    metadata = sa.MetaData()
    mood = sa.Enum("sad", "ok", "it's", name="mood")
    color = sa.Enum("red", "dark red", name="Color", schema=SCHEMA)
    sa.Table(
        "account",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(80), nullable=False, unique=True, comment="it's theirs"),
        sa.Column("name", sa.Text(collation="C"), server_default="it's %"),
        sa.Column("mood", mood, server_default="ok", nullable=False),
        sa.Column("moods", pg.ARRAY(mood), server_default="{}"),
        sa.Column("made", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("score", sa.Numeric(10, 2), server_default="0"),
        sa.Column("double", sa.Numeric(10, 2), sa.Computed("score * 2", persisted=True)),
        sa.Column("token", sa.Uuid, server_default=sa.text("gen_random_uuid()")),
        sa.Column("active", sa.Boolean, server_default=sa.true()),
        sa.CheckConstraint("score >= 0 AND name <> 'it''s'", name="account_score"),
        sa.UniqueConstraint("name", "mood", name="account_name", deferrable=True, initially="DEFERRED"),
        sa.Index("account_lower", sa.text("lower(email)"), unique=True),
        sa.Index("account_active", "made", "score", postgresql_where=sa.text("active")),
        sa.Index("account_made", sa.text("made DESC NULLS LAST"), postgresql_include=["score"]),
        sa.Index("account_mail", "email", postgresql_ops={"email": "varchar_pattern_ops"}),
        comment="who 'they' are",
    )
    sa.Table(
        "Order Line",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True, start=5, cache=3), primary_key=True),
        sa.Column("user", sa.ForeignKey("account.id", ondelete="SET NULL", name="line_user")),
        sa.Column("select", sa.ForeignKey(f"{SCHEMA}.item.key", onupdate="CASCADE"), index=True),
        sa.Column("color", color),
        sa.Column("data", pg.JSONB, server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("tags", pg.ARRAY(sa.String(20)), server_default="{}", nullable=False),
        sa.Column("during", pg.TSTZRANGE),
        sa.Column("small", sa.SmallInteger, server_default=sa.text("1 + 1")),
        sa.Column("words", pg.TSVECTOR),
        sa.Index("line_data", "data", postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"}),
        sa.Index("line_tags", "tags", postgresql_using="gin"),
        sa.Index("line_words", sa.text("words tsvector_ops (siglen=100)"), postgresql_using="gist"),
        sa.Index("line_fill", "small", postgresql_with={"fillfactor": 70}),
        sa.CheckConstraint("small BETWEEN 1 AND 10"),
        pg.ExcludeConstraint(("during", "&&"), name="line_during", using="gist"),
    )
    sa.Table(
        "item",
        metadata,
        sa.Column("key", sa.String(20), primary_key=True),
        sa.Column("near", VECTOR(3)),
        sa.Column("far", HALFVEC(4)),
        sa.Column("bits", pg.BIT(8)),
        sa.Column("late", pg.TIMESTAMP(precision=3)),
        sa.Column("net", pg.CIDR, server_default="10.0.0.0/8"),
        sa.Column("parent", sa.String(20)),
        sa.ForeignKeyConstraint(
            ["parent"], [f"{SCHEMA}.item.key"], deferrable=True, initially="DEFERRED", name="item_parent"
        ),
        sa.Index(
            "item_near",
            "near",
            postgresql_using="hnsw",
            postgresql_with={"m": 8, "ef_construction": 32},
            postgresql_ops={"near": "vector_cosine_ops"},
        ),
        sa.UniqueConstraint("late"),
        schema=SCHEMA,
    )
    return metadata


CHANGES = (
    "ALTER TABLE account ALTER email TYPE varchar(81)",
    "ALTER TABLE account ALTER email TYPE text",
    "ALTER TABLE account ALTER email DROP NOT NULL",
    "ALTER TABLE account ALTER made SET NOT NULL",
    "ALTER TABLE account ALTER made TYPE timestamptz(3)",
    'ALTER TABLE account ALTER name TYPE text COLLATE "POSIX"',
    "ALTER TABLE account ALTER name SET DEFAULT 'its %'",
    "ALTER TABLE account ALTER name DROP DEFAULT",
    "ALTER TABLE account ALTER active SET DEFAULT false",
    "ALTER TABLE account ALTER mood SET DEFAULT 'sad'",
    "ALTER TABLE account ALTER made SET DEFAULT clock_timestamp()",
    "ALTER TABLE account ALTER token SET DEFAULT '00000000-0000-0000-0000-000000000000'",
    "ALTER TABLE account ALTER id DROP DEFAULT",
    "ALTER TABLE account ALTER id TYPE bigint",
    "ALTER TABLE account ALTER token DROP DEFAULT, ALTER token TYPE text USING token::text",
    "ALTER TABLE account DROP double, ADD double numeric(10, 2) GENERATED ALWAYS AS (score * 3) STORED",
    "ALTER TABLE account ALTER double DROP EXPRESSION",
    "ALTER TABLE account ADD extra integer",
    "ALTER TABLE account DROP token",
    "ALTER TABLE account RENAME token TO tok",
    "COMMENT ON TABLE account IS 'others'",
    "COMMENT ON TABLE account IS NULL",
    "COMMENT ON COLUMN account.email IS 'other'",
    "COMMENT ON COLUMN account.made IS 'new'",
    "ALTER TABLE account DROP CONSTRAINT account_score",
    "ALTER TABLE account DROP CONSTRAINT account_score, ADD CONSTRAINT account_score CHECK (score > 0)",
    "ALTER TABLE account ADD CHECK (score < 9)",
    "ALTER TABLE account ADD CHECK (tableoid > 0)",
    "ALTER TABLE account DROP CONSTRAINT account_name",
    "ALTER TABLE account DROP CONSTRAINT account_name, ADD CONSTRAINT account_name UNIQUE (name, mood)",
    (
        "ALTER TABLE account DROP CONSTRAINT account_name, "
        "ADD CONSTRAINT account_name UNIQUE (name, mood) DEFERRABLE"
    ),
    (
        "ALTER TABLE account DROP CONSTRAINT account_name, "
        "ADD CONSTRAINT account_name UNIQUE (mood, name) DEFERRABLE INITIALLY DEFERRED"
    ),
    "ALTER TABLE account ADD UNIQUE (made)",
    "ALTER TABLE account ADD CONSTRAINT more UNIQUE (made) INCLUDE (score)",
    "ALTER INDEX account_lower RENAME TO account_lowered",
    "DROP INDEX account_lower",
    "DROP INDEX account_lower; CREATE INDEX account_lower ON account (lower(email))",
    "DROP INDEX account_lower; CREATE UNIQUE INDEX account_lower ON account (upper(email))",
    "DROP INDEX account_active; CREATE INDEX account_active ON account (made, score)",
    "DROP INDEX account_active; CREATE INDEX account_active ON account (made, score) WHERE NOT active",
    "DROP INDEX account_active; CREATE INDEX account_active ON account (score, made) WHERE active",
    "DROP INDEX account_made; CREATE INDEX account_made ON account (made DESC) INCLUDE (score)",
    "DROP INDEX account_made; CREATE INDEX account_made ON account (made DESC NULLS LAST)",
    "DROP INDEX account_mail; CREATE INDEX account_mail ON account (email)",
    'DROP INDEX account_mail; CREATE INDEX account_mail ON account (email COLLATE "C" varchar_pattern_ops)',
    "DROP INDEX account_mail; CREATE INDEX account_mail ON account USING hash (email)",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'account_mail'::regclass",
    "CREATE INDEX added ON account (active)",
    'DROP INDEX line_words; CREATE INDEX line_words ON "Order Line" USING gist (words)',
    (
        'DROP INDEX line_words; CREATE INDEX line_words ON "Order Line" '
        "USING gist (words tsvector_ops (siglen=200))"
    ),
    'ALTER TABLE "Order Line" ALTER id SET CACHE 4',
    'ALTER TABLE "Order Line" ALTER id SET START 6',
    'ALTER TABLE "Order Line" ALTER id SET INCREMENT 2',
    'ALTER TABLE "Order Line" ALTER id SET CYCLE',
    'ALTER TABLE "Order Line" ALTER id SET MAXVALUE 1000',
    'ALTER TABLE "Order Line" ALTER id SET GENERATED BY DEFAULT',
    'ALTER TABLE "Order Line" ALTER id DROP IDENTITY',
    'ALTER TABLE "Order Line" DROP CONSTRAINT "Order Line_pkey"',
    'ALTER TABLE "Order Line" DROP CONSTRAINT "Order Line_pkey", ADD PRIMARY KEY (id, data)',
    'ALTER TABLE "Order Line" DROP CONSTRAINT "Order Line_pkey", ADD PRIMARY KEY (id) DEFERRABLE',
    'ALTER TABLE "Order Line" DROP CONSTRAINT "Order Line_pkey", ADD PRIMARY KEY (id) INCLUDE (data)',
    'ALTER TABLE "Order Line" DROP CONSTRAINT line_user',
    'ALTER TABLE "Order Line" DROP CONSTRAINT line_user, ADD FOREIGN KEY ("user") REFERENCES account',
    (
        'ALTER TABLE "Order Line" DROP CONSTRAINT line_user, '
        'ADD FOREIGN KEY ("user") REFERENCES account ON DELETE CASCADE'
    ),
    (
        'ALTER TABLE "Order Line" DROP CONSTRAINT line_user, '
        'ADD FOREIGN KEY ("user") REFERENCES account ON DELETE SET NULL ON UPDATE CASCADE'
    ),
    (
        'ALTER TABLE "Order Line" DROP CONSTRAINT line_user, '
        'ADD FOREIGN KEY ("user") REFERENCES account ON DELETE SET NULL DEFERRABLE'
    ),
    'ALTER TABLE "Order Line" ADD FOREIGN KEY (small) REFERENCES account',
    'ALTER TABLE "Order Line" ALTER CONSTRAINT line_user DEFERRABLE INITIALLY DEFERRED',
    'ALTER TABLE "Order Line" DROP CONSTRAINT line_during',
    (
        'ALTER TABLE "Order Line" DROP CONSTRAINT line_during, '
        "ADD CONSTRAINT line_during EXCLUDE USING gist (during WITH =)"
    ),
    'DROP INDEX line_data; CREATE INDEX line_data ON "Order Line" USING gin (data)',
    "ALTER INDEX line_fill SET (fillfactor = 80)",
    "ALTER INDEX line_fill RESET (fillfactor)",
    'ALTER TABLE "Order Line" ALTER small SET DEFAULT 3',
    'ALTER TABLE "Order Line" ALTER tags TYPE varchar(21)[]',
    "ALTER TABLE \"Order Line\" ALTER data SET DEFAULT '[]'",
    "ALTER TABLE other.item ALTER near TYPE vector(4)",
    "ALTER TABLE other.item ALTER bits TYPE bit(9)",
    "ALTER TABLE other.item ALTER net TYPE inet USING net::inet",
    (
        "DROP INDEX other.item_near; CREATE INDEX item_near ON other.item USING hnsw (near vector_l2_ops) "
        "WITH (m = 8, ef_construction = 32)"
    ),
    (
        "DROP INDEX other.item_near; CREATE INDEX item_near ON other.item "
        "USING hnsw (near vector_cosine_ops) WITH (m = 9, ef_construction = 32)"
    ),
    "ALTER TABLE other.item ALTER CONSTRAINT item_parent NOT DEFERRABLE",
    "ALTER TABLE other.item DROP CONSTRAINT item_late_key",
    'DROP TABLE "Order Line"',
    "ALTER TABLE other.item SET SCHEMA public",
    "CREATE TABLE added (id integer)",
    "CREATE TABLE other.added (id integer PRIMARY KEY)",
    "CREATE TYPE added AS ENUM ('a')",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'bad'",
    (
        "CREATE TYPE mode AS ENUM ('sad', 'ok', 'it''s'); ALTER TABLE account ALTER mood DROP DEFAULT, "
        "ALTER mood TYPE mode USING mood::text::mode, ALTER mood SET DEFAULT 'ok'"
    ),
)
"""One at a time; some are nothing to the models."""
