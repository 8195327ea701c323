-- Four people of the lab, as the guide counts them. Their passwords are the lab's alone:
--   amina@example.org amina-reads
--   jonas@example.org jonas-reads
--   mercy@example.org mercy-manages
--   david@example.org david-manages
INSERT INTO "User" (id, email, name, password, role, "createdAt", "updatedAt") VALUES
    ('user-learner-1', 'amina@example.org', 'Amina',
     'pbkdf2$user-learner-1$4f2c33e723492cfdc517870223f20c82e60c8a51eafd85b214d01eb4e299fc32',
     'LEARNER', '2024-08-01 09:00+00', '2024-08-01 09:00+00'),
    ('user-learner-2', 'jonas@example.org', 'Jonas',
     'pbkdf2$user-learner-2$6aa5227143e6c05ac47fbb7d1eda60fa3896ea86bc8782b998853d983496e394',
     'LEARNER', '2024-08-01 09:00+00', '2024-08-01 09:00+00'),
    ('user-admin-1', 'mercy@example.org', 'Mercy',
     'pbkdf2$user-admin-1$e973afcc6b7cdfb9e0ae63f557dfa4f54c908351ee020d9646f2a3c90610d3b2',
     'ADMIN', '2024-08-01 09:00+00', '2024-08-01 09:00+00'),
    ('user-admin-2', 'david@example.org', 'David',
     'pbkdf2$user-admin-2$e7126003313577a565ff025c6ead96d6e36a6db6a7e462ae915c7711c657d697',
     'ADMIN', '2024-08-01 09:00+00', '2024-08-01 09:00+00');

-- Sessions that are signed in already; the token is the cookie next-auth.session-token.
INSERT INTO "Session" (id, "sessionToken", "userId", expires) VALUES
    ('session-amina-phone', 'session-amina-phone', 'user-learner-1', now() + interval '30 days'),
    ('session-amina-school', 'session-amina-school', 'user-learner-1', now() + interval '30 days'),
    ('session-jonas-tablet', 'session-jonas-tablet', 'user-learner-2', now() + interval '30 days'),
    ('session-mercy-laptop', 'session-mercy-laptop', 'user-admin-1', now() + interval '30 days'),
    ('session-mercy-phone', 'session-mercy-phone', 'user-admin-1', now() + interval '30 days'),
    ('session-david-laptop', 'session-david-laptop', 'user-admin-2', now() + interval '30 days');
