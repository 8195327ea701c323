-- transaction: none
-- Expand: the new role exists beside the old one. Both releases live with it.
-- Locks: the type only, for some milliseconds; reading and writing users goes on.
-- Alone in its file: a value cannot be used in the transaction that adds it (error 55P04).
ALTER TYPE {{ role_type }} ADD VALUE IF NOT EXISTS {{ new_role }};
