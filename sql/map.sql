-- One migration's map in figures. Read only.
SELECT count(*) FILTER (WHERE reversed_at IS NULL) AS open,
       count(*) FILTER (WHERE outcome = 'moved back' AND NOT created_since) AS back,
       count(*) FILTER (WHERE outcome = 'moved back' AND created_since) AS since,
       count(*) FILTER (WHERE outcome = 'kept') AS kept
  FROM user_backup_pre_migration
 WHERE migration_name = {{ migration }}
