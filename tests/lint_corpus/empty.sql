-- Takes away what a case left, so that the next one finds the shop as it was. Tables first: what is theirs goes along.
DO $$
DECLARE
    gone text;
BEGIN
    FOR gone IN
        SELECT pg_catalog.format('DROP SCHEMA %I CASCADE', nspname) FROM pg_catalog.pg_namespace
        WHERE nspname IN ('old', 'archive', 'reports')
        UNION ALL
        SELECT pg_catalog.format('DROP %s IF EXISTS %I CASCADE', kind, relname)
        FROM pg_catalog.pg_class
        JOIN (VALUES ('r', 'TABLE'), ('p', 'TABLE'), ('v', 'VIEW'), ('m', 'MATERIALIZED VIEW')) AS kinds (letter, kind)
            ON letter = relkind::text
        WHERE relnamespace = 'public'::pg_catalog.regnamespace AND NOT relispartition
          AND relname NOT IN ('alembic_version', 'schema_migrations') AND relname NOT LIKE 'migration\_%'
        UNION ALL
        SELECT pg_catalog.format('DROP SEQUENCE IF EXISTS %I CASCADE', relname) FROM pg_catalog.pg_class
        WHERE relnamespace = 'public'::pg_catalog.regnamespace AND relkind = 'S' AND relname NOT LIKE 'migration\_%'
        UNION ALL
        SELECT pg_catalog.format('DROP %s IF EXISTS %I CASCADE', kind, typname)
        FROM pg_catalog.pg_type
        JOIN (VALUES ('d', 'DOMAIN'), ('e', 'TYPE')) AS kinds (letter, kind) ON letter = typtype::text
        WHERE typnamespace = 'public'::pg_catalog.regnamespace
        UNION ALL
        SELECT pg_catalog.format('DROP FUNCTION IF EXISTS %I CASCADE', proname)
        FROM pg_catalog.pg_proc
        WHERE pronamespace = 'public'::pg_catalog.regnamespace
    LOOP
        EXECUTE gone;
    END LOOP;
END $$;

