-- Users whose role is plain text, and sessions in a table of another name.
CREATE TABLE users (
    id serial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    role text NOT NULL DEFAULT 'buyer',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE products (id serial PRIMARY KEY, title text NOT NULL);
CREATE TABLE user_sessions (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id)
);
INSERT INTO users (email, role) VALUES ('a@example.org', 'buyer'), ('b@example.org', 'keeper');
INSERT INTO user_sessions (user_id) VALUES (1), (2);
INSERT INTO products (title) VALUES ('Seeds');
