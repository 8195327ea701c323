-- Users, users per role, sessions, and a digest of the sessions of each user. Read only.
SELECT
    (SELECT count(*) FROM {{ users }}) AS users,
    (SELECT coalesce(jsonb_object_agg(role, number), '{}')
       FROM (SELECT coalesce({{ role }}::text, '(none)') AS role, count(*) AS number
               FROM {{ users }} GROUP BY 1) AS per_role) AS roles,
{%- if sessions %}
    (SELECT count(*) FROM {{ sessions }}) AS sessions,
    (SELECT md5(coalesce(string_agg(whose || '=' || number, ',' ORDER BY whose), ''))
       FROM (SELECT coalesce({{ session_user }}::text, '') AS whose, count(*) AS number
               FROM {{ sessions }} GROUP BY 1) AS per_user) AS sessions_digest
{%- else %}
    0::bigint AS sessions,
    ''::text AS sessions_digest
{%- endif %}
