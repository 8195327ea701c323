-- Everybody in the one role is now in the other, and nothing else has changed. Both counts come
-- from this transaction's one snapshot, so that visitors at work cannot disturb them.
-- An exception here rolls the whole transaction back.
DO $check$
DECLARE
    was    counted_before%ROWTYPE;
    became counted_after%ROWTYPE;
    moved  bigint;
BEGIN
    SELECT * INTO STRICT was FROM counted_before;
    SELECT * INTO STRICT became FROM counted_after;
    moved := coalesce((was.roles ->> {{ from_role }})::bigint, 0);

    IF became.users <> was.users THEN
        RAISE EXCEPTION 'users in all: % before, % after', was.users, became.users;
    END IF;
    IF became.roles ? {{ from_role }} THEN
        RAISE EXCEPTION 'users left in %: %', {{ from_role }}, became.roles ->> {{ from_role }};
    END IF;
    IF coalesce((became.roles ->> {{ to_role }})::bigint, 0)
       <> moved + coalesce((was.roles ->> {{ to_role }})::bigint, 0) THEN
        RAISE EXCEPTION 'users in %: % before, % moved, % after', {{ to_role }},
            coalesce(was.roles ->> {{ to_role }}, '0'), moved,
            coalesce(became.roles ->> {{ to_role }}, '0');
    END IF;
    IF became.roles - {{ from_role }} - {{ to_role }}
       <> was.roles - {{ from_role }} - {{ to_role }} THEN
        RAISE EXCEPTION 'other roles: % before, % after', was.roles, became.roles;
    END IF;
    IF became.sessions_digest <> was.sessions_digest THEN
        RAISE EXCEPTION 'sessions per user have changed: % before, % after',
            was.sessions, became.sessions;
    END IF;
END
$check$;
