-- Data, one batch of a large table: rows and their map together, committed together.
-- Locks: the batch's rows, for some 40 ms at 1,000 rows. Rows that somebody has locked are left
-- for a later batch; the last pass, data.sql, waits for them.
WITH picked AS (
    SELECT {{ id }} AS id FROM {{ users }}
     WHERE {{ role }} = {{ old_role }}
     LIMIT {{ batch_size }} FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE {{ users }} AS u
       SET {{ role }} = {{ new_role }}{% if updated %}, {{ updated }} = now(){% endif %}

      FROM picked WHERE u.{{ id }} = picked.id
    RETURNING u.{{ id }}::text AS id
), mapped AS (
    INSERT INTO user_backup_pre_migration (migration_name, release, id, old_role, new_role)
    SELECT {{ migration }}, {{ release }}, id, {{ old_role }}, {{ new_role }} FROM moved
    ON CONFLICT (migration_name, id) WHERE reversed_at IS NULL DO NOTHING
)
SELECT count(*) FROM moved;
