-- Roles as an enum, under other names than the guide's; all in a schema of its own.
CREATE SCHEMA editorial;
SET search_path = editorial;
CREATE TYPE member_role AS ENUM ('reader', 'writer', 'editor');
CREATE TABLE members (
    member_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    kind member_role NOT NULL DEFAULT 'reader',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sessions (token text PRIMARY KEY, member bigint NOT NULL REFERENCES members);
CREATE TABLE articles (id serial PRIMARY KEY, title text NOT NULL);
INSERT INTO members (email, kind) VALUES ('a@example.org', 'reader'), ('b@example.org', 'editor');
INSERT INTO sessions VALUES ('one', 1), ('two', 2);
INSERT INTO articles (title) VALUES ('First');
