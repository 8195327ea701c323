"""`users --json`."""

from __future__ import annotations

from . import Document


class Users(Document):
    """The users by role.

    :param table: the user table of the settings; null: the site has none.
    :param users: all of them, whatever their role; null without a table.
    :param roles: users by role; empty where they have none.
    :param sessions: null where the site keeps none in its database.
    """

    command = "users"

    table: str | None
    users: int | None
    roles: dict[str, int]
    sessions: int | None
