-- transaction: own
-- Data: everybody in the old role moves to the new one. Rows, their map, the checks and the
-- COMPLETED entry are one transaction: all of it or nothing, and the log says which.
-- Locks: the rows that move, until COMMIT (544 ms for 70,000 rows). Nobody is kept from reading.
-- A row changed by somebody else meanwhile is error 40001: nothing has happened, and it is tried
-- again; after that the whole table is kept from writers, so that a busy one is not tried for ever.
BEGIN ISOLATION LEVEL REPEATABLE READ;
{% if exclusive %}LOCK TABLE {{ users }} IN SHARE ROW EXCLUSIVE MODE;{% endif %}


CREATE TEMPORARY TABLE counted_before ON COMMIT DROP AS
{% include "counts.sql" %};

WITH moved AS (
    UPDATE {{ users }}
       SET {{ role }} = {{ new_role }}{% if updated %}, {{ updated }} = now(){% endif %}

     WHERE {{ role }} = {{ old_role }}
    RETURNING {{ id }}::text AS id
)
INSERT INTO user_backup_pre_migration (migration_name, release, id, old_role, new_role)
SELECT {{ migration }}, {{ release }}, id, {{ old_role }}, {{ new_role }} FROM moved
-- Moved before and set back by hand since: the open entry already knows the way back.
ON CONFLICT (migration_name, id) WHERE reversed_at IS NULL DO NOTHING;

CREATE TEMPORARY TABLE counted_after ON COMMIT DROP AS
{% include "counts.sql" %};

{% with from_role = old_role, to_role = new_role %}{% include "check-move.sql" %}{% endwith %}


INSERT INTO migration_log (migration_name, release, stage, status, files, who, host,
                           backup_sha256, counts_before, counts_after)
SELECT {{ migration }}, {{ release }}, 'data', 'COMPLETED', {{ files }}, {{ who }}, {{ host }},
       {{ backup_sha256 }},
       -- The batches that went before have their own commits; the whole run began with these.
       coalesce({{ counts_before }}::jsonb, to_jsonb(counted_before)), to_jsonb(counted_after)
  FROM counted_before, counted_after;

COMMIT;
