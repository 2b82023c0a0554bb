-- Everything in the schema that unqualified names stand for: by table, then kind and name, the definition.
-- Names are shown as the session's search path shortens them, so that the schema's own name stands nowhere.
WITH schema AS (
    SELECT oid AS schema FROM pg_namespace WHERE nspname = current_schema()
), tables AS (
    -- Partitions come and go, and are as their table is.
    SELECT oid, relname, relpersistence FROM pg_class JOIN schema ON relnamespace = schema
    WHERE relkind IN ('r', 'p') AND NOT relispartition
        AND relname NOT IN ('__diesel_schema_migrations', 'migration_details', 'schema_migrations')
)
SELECT relname::text, 'table', '', CASE relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END
    || coalesce(', partitioned by ' || pg_get_partkeydef(oid), '')
FROM tables
UNION ALL
SELECT relname, 'column', attname, concat_ws(' ', format_type(atttypid, atttypmod),
    'COLLATE ' || CASE WHEN attcollation <> typcollation THEN attcollation::regcollation::text END,
    CASE WHEN attnotnull THEN 'NOT NULL' END,
    CASE WHEN attidentity <> '' THEN 'identity ' || attidentity::text END,
    CASE WHEN attgenerated <> '' THEN 'generated' END,
    'DEFAULT ' || pg_get_expr(adbin, adrelid, true))
FROM pg_attribute
JOIN tables ON tables.oid = attrelid
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped
UNION ALL
SELECT relname, 'constraint', conname, pg_get_constraintdef(pg_constraint.oid, true)
FROM pg_constraint
JOIN tables ON tables.oid = conrelid
WHERE contype <> 'n'
UNION ALL
SELECT relname, 'index', (SELECT relname FROM pg_class WHERE oid = indexrelid),
    pg_get_indexdef(indexrelid, 0, true) || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END
FROM pg_index
JOIN tables ON tables.oid = indrelid
UNION ALL
SELECT relname, 'trigger', tgname, pg_get_triggerdef(pg_trigger.oid, true)
FROM pg_trigger
JOIN tables ON tables.oid = tgrelid
WHERE NOT tgisinternal
UNION ALL
SELECT '', 'function', format('%s(%s)', proname, pg_get_function_identity_arguments(oid)), md5(prosrc)
FROM pg_proc JOIN schema ON pronamespace = schema
UNION ALL
SELECT '', 'type', typname, coalesce((SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = pg_type.oid), '')
FROM pg_type JOIN schema ON typnamespace = schema
WHERE typtype = 'e'
UNION ALL
SELECT '', 'type', typname, concat_ws(' ', format_type(typbasetype, typtypmod),
    'COLLATE ' || CASE WHEN typcollation <> (SELECT base.typcollation FROM pg_type AS base WHERE base.oid = pg_type.typbasetype)
        THEN typcollation::regcollation::text END,
    CASE WHEN typnotnull THEN 'NOT NULL' END,
    'DEFAULT ' || typdefault,
    (SELECT string_agg(concat_ws(' ', 'CONSTRAINT', conname, pg_get_constraintdef(oid, true)), ' ' ORDER BY conname)
     FROM pg_constraint WHERE contypid = pg_type.oid AND contype <> 'n'))
FROM pg_type JOIN schema ON typnamespace = schema
WHERE typtype = 'd'
