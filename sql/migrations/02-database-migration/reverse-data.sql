-- transaction: own
-- Reverse of data: everybody in the new role goes back, and whoever was promoted since stays
-- promoted. One transaction with its log entry; a second run finds nothing to do.
-- The enum value stays: it does no harm, and deleting it from pg_enum breaks rows and pg_dump.
-- Locks: the rows that move, until COMMIT; the table too while a rule of contract.sql goes.
-- A row changed by somebody else meanwhile is error 40001: nothing has happened, and it is tried
-- again; after that the whole table is kept from writers, so that a busy one is not tried for ever.
BEGIN ISOLATION LEVEL REPEATABLE READ;
-- Before anything that takes the snapshot: what is seen is then what stays.
{% if reverse_contract %}LOCK TABLE {{ users }} IN ACCESS EXCLUSIVE MODE;
{% elif exclusive %}LOCK TABLE {{ users }} IN SHARE ROW EXCLUSIVE MODE;
{% endif %}

{% if reverse_contract %}{% include "reverse-contract.sql" %}{% endif %}


CREATE TEMPORARY TABLE counted_before ON COMMIT DROP AS
{% include "counts.sql" %};

-- Created in the new role since, or moved there by hand: recorded before anything changes.
INSERT INTO user_backup_pre_migration (migration_name, release, id, old_role, new_role,
                                       created_since)
SELECT {{ migration }}, {{ release }}, u.{{ id }}::text, {{ old_role }}, {{ new_role }}, true
  FROM {{ users }} AS u
 WHERE u.{{ role }}::text = {{ new_role }}
ON CONFLICT (migration_name, id) WHERE reversed_at IS NULL DO NOTHING;

-- From the map, where the role is still the one that the migration set.
WITH back AS (
    UPDATE {{ users }} AS u
       SET {{ role }} = m.old_role::{{ role_type }}{% if updated %}, {{ updated }} = now(){% endif %}

      FROM user_backup_pre_migration AS m
     WHERE m.migration_name = {{ migration }} AND m.reversed_at IS NULL
       AND m.id = u.{{ id }}::text AND m.new_role = u.{{ role }}::text
    RETURNING m.id
)
UPDATE user_backup_pre_migration AS m SET reversed_at = clock_timestamp(), outcome = 'moved back'
  FROM back WHERE m.migration_name = {{ migration }} AND m.reversed_at IS NULL AND back.id = m.id;

-- What is still open belongs to people who have another role by now, or are gone.
UPDATE user_backup_pre_migration SET reversed_at = clock_timestamp(), outcome = 'kept'
 WHERE migration_name = {{ migration }} AND reversed_at IS NULL;

CREATE TEMPORARY TABLE counted_after ON COMMIT DROP AS
{% include "counts.sql" %};

{% with from_role = new_role, to_role = old_role %}{% include "check-move.sql" %}{% endwith %}


INSERT INTO migration_log (migration_name, release, stage, status, files, who, host,
                           counts_before, counts_after)
SELECT {{ migration }}, {{ release }}, stage, 'REVERSED', {{ files }}, {{ who }}, {{ host }},
       to_jsonb(counted_before), to_jsonb(counted_after)
  FROM counted_before, counted_after, unnest({{ reversed_stages }}) AS stage;

COMMIT;
