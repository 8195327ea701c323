-- The tables as the deployment guide names them.
CREATE TYPE "Role" AS ENUM ('LEARNER', 'ADMIN');

CREATE TABLE "User" (
    id          text PRIMARY KEY,
    email       text NOT NULL UNIQUE,
    name        text NOT NULL,
    password    text NOT NULL,
    role        "Role" NOT NULL DEFAULT 'LEARNER',
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "updatedAt" timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE "Session" (
    id             text PRIMARY KEY,
    "sessionToken" text NOT NULL UNIQUE,
    "userId"       text NOT NULL REFERENCES "User" (id) ON DELETE CASCADE,
    expires        timestamptz NOT NULL
);
CREATE INDEX ON "Session" ("userId");

CREATE TABLE "Story" (
    id          bigserial PRIMARY KEY,
    title       text NOT NULL,
    content     text NOT NULL,
    "authorId"  text NOT NULL REFERENCES "User" (id),
    "createdAt" timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE "ReadingProgress" (
    "userId"    text NOT NULL REFERENCES "User" (id) ON DELETE CASCADE,
    "storyId"   bigint NOT NULL REFERENCES "Story" (id) ON DELETE CASCADE,
    percent     integer NOT NULL CHECK (percent BETWEEN 0 AND 100),
    "updatedAt" timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("userId", "storyId")
);
