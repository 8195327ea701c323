"""A stand-in for the app of 1001 Stories: its routes, its database, its habits when stopped."""
