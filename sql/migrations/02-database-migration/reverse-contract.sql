-- Reverse of contract: the old role may be written again. Part of reverse-data.sql's transaction.
-- Locks: the table, from here to COMMIT.
ALTER TABLE {{ users }} DROP CONSTRAINT IF EXISTS {{ rule }};
{% with from_role = new_role, to_role = old_role %}{% include "move-default.sql" %}{% endwith %}
