-- 2,000 stories, and who has read how much of some of them.
INSERT INTO "Story" (title, content, "authorId", "createdAt")
SELECT 'Story ' || number,
       repeat('Once upon a time, in village number ' || number || ', a seed was planted. ', 6),
       (ARRAY['user-learner-1', 'user-learner-2', 'user-admin-1', 'user-admin-2'])[1 + number % 4],
       timestamptz '2024-01-01 08:00+00' + number * interval '1 hour'
FROM generate_series(1, 2000) AS number;

INSERT INTO "ReadingProgress" ("userId", "storyId", percent)
SELECT id, story, (story * 7) % 101
FROM "User", generate_series(1, 50) AS story;

ANALYZE;
