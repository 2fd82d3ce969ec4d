-- What PostgreSQL has since version 18, and pgvector's types.

CREATE SCHEMA newer;
CREATE EXTENSION vector SCHEMA public;
CREATE TABLE newer.documents (
    id bigint CONSTRAINT numbered NOT NULL,
    title text NOT NULL NO INHERIT,
    twice bigint GENERATED ALWAYS AS (id * 2) VIRTUAL,
    embedding vector(3) NOT NULL,
    small halfvec(4),
    rare sparsevec,
    valid_at tstzrange,
    CONSTRAINT documents_pkey PRIMARY KEY (id),
    CONSTRAINT positive CHECK (id > 0) NOT ENFORCED
);
ALTER TABLE newer.documents ADD CONSTRAINT dated NOT NULL valid_at NOT VALID;
CREATE INDEX near ON newer.documents USING hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 32);
CREATE TABLE newer.plain_vectors (id integer PRIMARY KEY, embedding vector(3), other halfvec);
CREATE FUNCTION newer.atomic(integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT $1; END;
