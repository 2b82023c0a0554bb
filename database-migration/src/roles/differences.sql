-- What is not as it should be with the roles, and the statement that changes it.
--
-- Follows `WITH wanted_right AS (rights.sql),`.
--
-- $1  the roles as JSON: role (its word in the settings), name, logs_in, is_user (of the tables)
-- $2  the stages to look for: each needs the ones before it
-- $3  whether tables of other owners are passed over
named AS (
    SELECT wanted.*, oid, rolcanlogin, rolsuper,
        array_remove(ARRAY[
            CASE WHEN rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
            CASE WHEN rolreplication THEN 'REPLICATION' END,
            CASE WHEN rolbypassrls THEN 'BYPASSRLS' END
        ], NULL) AS powers
    FROM jsonb_to_recordset($1::jsonb) AS wanted (role text, name text, logs_in boolean, is_user boolean)
    LEFT JOIN pg_roles ON rolname = name
), place AS (
    -- Since PostgreSQL 16, a member need not be allowed to become what it is a member of.
    SELECT datname, datdba, datacl, nspname, nspowner, nspacl, pg_namespace.oid AS namespace,
        owner.oid AS owner, owner.name AS owner_name, migrator.oid AS migrator, migrator.name AS migrator_name,
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END AS step,
        EXISTS (
            SELECT FROM pg_db_role_setting
            WHERE setrole = migrator.oid AND setdatabase = pg_database.oid AND 'role=' || owner.name = ANY (setconfig)
        ) AS migrator_becomes_owner
    FROM pg_database, pg_namespace, named AS owner, named AS migrator
    WHERE datname = current_database() AND nspname = current_schema()
        AND owner.role = 'owner' AND migrator.role = 'migrator'
), own_table AS (
    -- None before the first migration: whatever has these names then belongs to others.
    SELECT pg_class.oid, relname, relowner, relacl
    FROM pg_class JOIN place ON relnamespace = namespace
    -- Partitions have the table's owner, and no rights of their own: nobody goes past the table.
    WHERE relkind IN ('r', 'p') AND (relowner = owner OR NOT $3)
        AND (relname IN (SELECT name FROM wanted_right) OR relispartition AND EXISTS (
            SELECT FROM pg_inherits JOIN pg_class AS whole ON whole.oid = inhparent
            WHERE inhrelid = pg_class.oid AND whole.relnamespace = namespace
                AND whole.relname IN (SELECT name FROM wanted_right)
        ))
        AND EXISTS (
            SELECT FROM pg_class
            WHERE relnamespace = namespace AND relname IN ('__diesel_schema_migrations', 'schema_migrations')
        )
), wanted AS (
    SELECT object, relname, attname, named.oid AS grantee, privilege
    FROM wanted_right
    JOIN named USING (role)
    LEFT JOIN own_table ON relname = wanted_right.name
    LEFT JOIN pg_attribute ON attrelid = own_table.oid AND columns IS NOT NULL
        AND attnum > 0 AND NOT attisdropped AND (attname = ANY (columns)) <> excluded
    WHERE named.oid IS NOT NULL
        AND (wanted_right.name IS NULL OR relname IS NOT NULL) AND (columns IS NULL OR attname IS NOT NULL)
), held AS (
    -- Of the roles that use the tables and of PUBLIC (0), which keeps CONNECT: passwords and pg_hba.conf decide on logging in.
    SELECT object, relname, attname, grantee, privilege, bool_or(grantable) AS grantable,
        CASE grantee WHEN 0 THEN object <> 'database' OR privilege <> 'CONNECT' ELSE bool_and(is_user) END AS is_watched
    FROM (
        SELECT 'database', NULL::name, NULL::name, acl.*
        FROM place, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
        UNION ALL
        SELECT 'schema', NULL, NULL, acl.*
        FROM place, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS acl
        UNION ALL
        SELECT 'future', NULL, NULL, acl.*
        FROM place JOIN pg_default_acl ON defaclrole = owner AND defaclnamespace = namespace AND defaclobjtype = 'r',
            aclexplode(defaclacl) AS acl
        UNION ALL
        SELECT 'table', relname, NULL, acl.*
        FROM own_table, aclexplode(relacl) AS acl
        UNION ALL
        SELECT 'table', relname, attname, acl.*
        FROM own_table JOIN pg_attribute ON attrelid = own_table.oid AND NOT attisdropped, aclexplode(attacl) AS acl
    ) AS granted (object, relname, attname, grantor, grantee, privilege, grantable)
    LEFT JOIN named ON oid = grantee
    WHERE grantee = 0 OR oid IS NOT NULL
    GROUP BY object, relname, attname, grantee, privilege
), change AS (
    SELECT 'REVOKE GRANT OPTION FOR' AS verb, object, relname, attname, grantee, privilege
    FROM held
    WHERE is_watched AND grantable
    UNION ALL
    SELECT 'REVOKE', object, relname, attname, grantee, privilege
    FROM held
    WHERE is_watched AND NOT EXISTS (
        SELECT FROM wanted
        WHERE (wanted.object, wanted.grantee, wanted.privilege) = (held.object, held.grantee, held.privilege)
            AND wanted.relname IS NOT DISTINCT FROM held.relname
            AND (wanted.attname IS NULL OR wanted.attname = held.attname)
    )
    UNION ALL (
        SELECT 'GRANT', object, relname, attname, grantee, privilege FROM wanted
        EXCEPT
        SELECT 'GRANT', object, relname, attname, grantee, privilege FROM held
    )
), privilege AS (
    -- The whole table goes before its columns: they come and go with it.
    SELECT verb, object, relname, grantee, privilege,
        privilege || coalesce(CASE WHEN bool_and(attname IS NOT NULL)
            THEN format(' (%s)', string_agg(attname, ', ' ORDER BY attname)) END, '') AS words,
        privilege || coalesce(CASE WHEN bool_and(attname IS NOT NULL)
            THEN format(' (%s)', string_agg(quote_ident(attname), ', ' ORDER BY attname)) END, '') AS sql
    FROM change
    GROUP BY verb, object, relname, grantee, privilege
), statement AS (
    SELECT verb, object, relname, grantee,
        string_agg(words, ', ' ORDER BY privilege COLLATE "C") AS words,
        string_agg(sql, ', ' ORDER BY privilege COLLATE "C") AS privileges,
        CASE object
            WHEN 'database' THEN 'database ' || datname
            WHEN 'schema' THEN 'schema ' || nspname
            WHEN 'future' THEN 'tables to come'
            ELSE relname
        END AS on_words,
        CASE object
            WHEN 'database' THEN format('DATABASE %I', datname)
            WHEN 'schema' THEN format('SCHEMA %I', nspname)
            WHEN 'future' THEN 'TABLES'
            ELSE format('TABLE %I.%I', nspname, relname)
        END AS on_sql,
        CASE object
            WHEN 'future' THEN format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I ', owner_name, nspname)
            ELSE ''
        END AS prefix,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END AS whom,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS whom_sql
    FROM privilege, place
    GROUP BY verb, object, relname, grantee, datname, nspname, owner_name
), membership AS (
    -- Being a member of these, directly or through others, gives rights that are not granted here.
    -- Since PostgreSQL 16 each grantor has to be named to take a membership back.
    SELECT member.name AS member, target.rolname AS target, ARRAY(
            SELECT pg_get_userbyid(grantor) FROM pg_auth_members
            WHERE roleid = target.oid AND pg_auth_members.member = member.oid AND step = 'SET'
        ) AS grantors
    FROM named AS member, pg_roles AS target, place
    WHERE member.is_user AND NOT member.rolsuper AND target.oid <> member.oid
        AND (
            target.rolname IN (SELECT name FROM named)
            OR target.rolsuper
            OR target.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                'pg_execute_server_program', 'pg_maintain')
        )
        AND pg_has_role(member.oid, target.oid, 'MEMBER')
), difference (turn, stage, as_owner, sql, todo, finding) AS (
    SELECT 1, 'roles', false, format('CREATE ROLE %I %s', name, login),
        format('create role %s (%s)', name, login), format('missing: role %s (%s)', name, role)
    FROM named, LATERAL (SELECT CASE WHEN logs_in THEN 'LOGIN' ELSE 'NOLOGIN' END) AS attribute (login)
    WHERE oid IS NULL
    UNION ALL
    -- Left to people: it may be the last superuser.
    SELECT 1, 'roles', false, NULL, format('take SUPERUSER from %s, which is left to people', name), 'surplus: SUPERUSER for ' || name
    FROM named
    WHERE rolsuper
    UNION ALL
    SELECT 1, 'roles', false, format('ALTER ROLE %I LOGIN', name), format('let %s log in', name), 'missing: LOGIN for ' || name
    FROM named
    WHERE logs_in AND NOT rolcanlogin
    UNION ALL
    SELECT 1, 'roles', false, format('ALTER ROLE %I NOLOGIN', name), 'take LOGIN from ' || name, 'surplus: LOGIN for ' || name
    FROM named
    WHERE NOT logs_in AND rolcanlogin
    UNION ALL
    SELECT 1, 'roles', false, format('ALTER ROLE %I NO%s', name, array_to_string(powers, ' NO')),
        format('take %s from %s', array_to_string(powers, ', '), name),
        format('surplus: %s for %s', array_to_string(powers, ', '), name)
    FROM named
    WHERE powers <> '{}'
    UNION ALL
    SELECT 1, 'members', false, format('GRANT %I TO %I', owner_name, migrator_name), format('grant %s to %s', owner_name, migrator_name),
        format('missing: membership of %s in %s', migrator_name, owner_name)
    FROM place
    WHERE NOT pg_has_role(migrator, owner, step)
    UNION ALL
    -- New tables then belong to the owner, also after the migrator has been replaced.
    SELECT 1, 'members', false, format('ALTER ROLE %I IN DATABASE %I SET role = %L', migrator_name, datname, owner_name),
        format('let %s act as %s in database %s', migrator_name, owner_name, datname),
        format('missing: %s does not act as %s in database %s', migrator_name, owner_name, datname)
    FROM place
    WHERE owner IS NOT NULL AND migrator IS NOT NULL AND NOT migrator_becomes_owner
    UNION ALL
    SELECT 1, 'members', false,
        coalesce(
            (SELECT string_agg(format('REVOKE %I FROM %I GRANTED BY %I', target, member, grantor), '; ') FROM unnest(grantors) AS grantor),
            format('REVOKE %I FROM %I', target, member)
        ),
        format('revoke %s from %s', target, member), format('surplus: membership of %s in %s', member, target)
    FROM membership
    UNION ALL
    -- A database or schema of a role that must not change it, and the tables of any other role.
    SELECT 1, stage, false, format('ALTER %s OWNER TO %I', target_sql, owner_name),
        format('give %s from %s to %s', target, pg_get_userbyid(from_owner), owner_name),
        format('differs: %s belongs to %s, not to %s', target, pg_get_userbyid(from_owner), owner_name)
    FROM (
        SELECT 'owners', 'database ' || datname, format('DATABASE %I', datname), datdba FROM place JOIN named ON oid = datdba AND is_user
        UNION ALL
        SELECT 'owners', 'schema ' || nspname, format('SCHEMA %I', nspname), nspowner FROM place JOIN named ON oid = nspowner AND is_user
        UNION ALL
        SELECT 'table_owners', relname, format('TABLE %I.%I', nspname, relname), relowner FROM own_table JOIN place ON relowner <> owner
    ) AS owned (stage, target, target_sql, from_owner), place
    WHERE owner IS NOT NULL
    UNION ALL
    -- Options to grant first, then what is too much, then what is missing.
    SELECT turn, CASE WHEN object <> 'table' THEN 'privileges' WHEN verb = 'GRANT' THEN 'grants' ELSE 'revocations' END,
        object IN ('table', 'future'),
        format('%s%s %s ON %s ' || direction, prefix, verb, privileges, on_sql, whom_sql),
        format(todo, words, on_words, whom), format(finding, words, on_words, whom)
    FROM statement
    JOIN (VALUES
        ('REVOKE GRANT OPTION FOR', 2, 'FROM %s CASCADE',
            'revoke the option to grant %s on %s from %s, and what was granted by it', 'surplus: the option to grant %s on %s for %s'),
        ('REVOKE', 3, 'FROM %s', 'revoke %s on %s from %s', 'surplus: %s on %s for %s'),
        ('GRANT', 4, 'TO %s', 'grant %s on %s to %s', 'missing: %s on %s for %s')
    ) AS text_of (verb, turn, direction, todo, finding) USING (verb)
)
SELECT as_owner, sql, todo, finding
FROM (
    SELECT * FROM difference
    UNION ALL
    -- Without it the operator can do nothing in the name of the owner.
    SELECT DISTINCT 0, stage, false, format('GRANT %I TO %I', owner_name, current_user), format('grant %s to %s', owner_name, current_user),
        NULL
    FROM difference, place
    WHERE NOT pg_has_role(owner, step) AND (as_owner OR stage IN ('owners', 'table_owners'))
) AS listed
WHERE stage = ANY ($2)
ORDER BY array_position($2, stage), turn, todo
