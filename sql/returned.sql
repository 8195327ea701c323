-- How many people whom the migration had moved are in the old role again. Read only.
SELECT count(*) AS returned
  FROM {{ users }} AS u
  JOIN user_backup_pre_migration AS m ON m.id = u.{{ id }}::text AND m.reversed_at IS NULL
 WHERE m.migration_name = {{ migration }} AND u.{{ role }}::text = m.old_role
