-- transaction: own
-- Contract: once the old release has stopped, nobody is in the old role, and nobody can be.
-- Locks: the rows of late sign-ups; the table for some 2 ms, to add the rule; then SHARE UPDATE
-- EXCLUSIVE while the rule is checked (25 ms for 70,000 rows), which lets everybody read and write.

-- Late sign-ups first, so that the second transaction has next to nothing to do.
{% set sweep %}
WITH moved AS (
    UPDATE {{ users }}
       SET {{ role }} = {{ new_role }}{% if updated %}, {{ updated }} = now(){% endif %}

     WHERE {{ role }} = {{ old_role }}
    RETURNING {{ id }}::text AS id
)
INSERT INTO user_backup_pre_migration (migration_name, release, id, old_role, new_role)
SELECT {{ migration }}, {{ release }}, id, {{ old_role }}, {{ new_role }} FROM moved
ON CONFLICT (migration_name, id) WHERE reversed_at IS NULL DO NOTHING;
{% endset %}
BEGIN;
{{ sweep }}
COMMIT;

-- From here on a stale writer is refused. The sweep again, under the same lock: nobody can sign
-- up between it and the rule.
BEGIN;
ALTER TABLE {{ users }} DROP CONSTRAINT IF EXISTS {{ rule }};
ALTER TABLE {{ users }} ADD CONSTRAINT {{ rule }} CHECK ({{ role }} <> {{ old_role }}) NOT VALID;
{{ sweep }}
-- A default that the rule refuses would refuse every sign-up that leaves the role to it.
{% with from_role = old_role, to_role = new_role %}{% include "move-default.sql" %}{% endwith %}

COMMIT;

ALTER TABLE {{ users }} VALIDATE CONSTRAINT {{ rule }};
