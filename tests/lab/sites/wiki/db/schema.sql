CREATE TABLE pages (id serial PRIMARY KEY, title text NOT NULL);
INSERT INTO pages (title) VALUES ('Compost');
