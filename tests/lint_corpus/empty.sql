-- Takes away what a case left, so that the next one finds the shop as it was.
DO $$
DECLARE
    gone text;
BEGIN
    FOR gone IN
        SELECT pg_catalog.format('DROP SCHEMA %I CASCADE', nspname) FROM pg_catalog.pg_namespace
        WHERE nspname IN ('old', 'archive', 'reports')
        UNION ALL
        SELECT pg_catalog.format(
            'DROP %s IF EXISTS %s CASCADE',
            CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                ELSE 'TABLE' END,
            c.oid::pg_catalog.regclass)
        FROM pg_catalog.pg_class c
        WHERE relnamespace = 'public'::pg_catalog.regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
          AND NOT relispartition AND relname NOT IN ('alembic_version', 'migration_history', 'schema_migrations')
          AND relname NOT LIKE 'migration\\_%'
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                            AND d.deptype = 'i')
        UNION ALL
        SELECT pg_catalog.format('DROP %s IF EXISTS %I CASCADE',
            CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, typname)
        FROM pg_catalog.pg_type
        WHERE typnamespace = 'public'::pg_catalog.regnamespace AND typtype IN ('d', 'e')
        UNION ALL
        SELECT pg_catalog.format('DROP FUNCTION IF EXISTS %s CASCADE', oid::pg_catalog.regprocedure)
        FROM pg_catalog.pg_proc WHERE pronamespace = 'public'::pg_catalog.regnamespace
    LOOP
        EXECUTE gone;
    END LOOP;
END $$;
