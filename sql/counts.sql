-- Users, users per role, sessions, and a digest of the sessions of each user; what the site does
-- not have counts as nothing. Read only.
SELECT
{%- if users %}
    (SELECT count(*) FROM {{ users }}) AS users,
{%- else %}
    0::bigint AS users,
{%- endif %}
{%- if users and role %}
    (SELECT coalesce(jsonb_object_agg(role, number), '{}')
       FROM (SELECT coalesce({{ role }}::text, '(none)') AS role, count(*) AS number
               FROM {{ users }} GROUP BY 1) AS per_role) AS roles,
{%- else %}
    '{}'::jsonb AS roles,
{%- endif %}
{%- if sessions %}
    (SELECT count(*) FROM {{ sessions }}) AS sessions,
    (SELECT md5(coalesce(string_agg(whose || '=' || number, ',' ORDER BY whose), ''))
       FROM (SELECT coalesce({{ session_user }}::text, '') AS whose, count(*) AS number
               FROM {{ sessions }} GROUP BY 1) AS per_user) AS sessions_digest
{%- else %}
    0::bigint AS sessions,
    ''::text AS sessions_digest
{%- endif %}
