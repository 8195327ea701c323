"""A small site's app: one table that is read and written, a health page, a page to sign in.

TABLE, HEALTH_PATH, HEALTH_ANSWER, LOGIN_PATH, ROOT and PORT come from the environment; so does
DATABASE_URL, or PGHOST, PGUSER, PGPASSWORD and PGDATABASE, which psycopg2 reads by itself. ROOT
is the status that `/` answers: 200 with the items, which are at /items too, 302 to there, or 404.
"""

from __future__ import annotations

import os
import signal
import threading

from stories import answers
from stories.answers import Answer
from stories.database import Database
from stories.faults import Faults
from stories.incoming import Request
from stories.routes import STYLE
from stories.service import Service

TABLE = os.environ["TABLE"]
HEALTH_PATH = os.environ.get("HEALTH_PATH", "/health")
HEALTH_ANSWER = os.environ.get("HEALTH_ANSWER", "ok")
LOGIN_PATH = os.environ.get("LOGIN_PATH", "")
ROOT = os.environ.get("ROOT", "200")


class Shop:
    """The routes over one table with the columns id and title."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        if request.method == "POST" and request.path == "/items":
            rows = self._database.query(
                f"INSERT INTO {TABLE} (title) VALUES (%s) RETURNING id", ("written under load",)
            )
            return answers.data({"id": rows[0][0]}, 201)
        if request.path == "/" and ROOT == "302":
            return answers.redirect("/items", status=302)
        if request.path == "/items" or (request.path == "/" and ROOT == "200"):
            rows = self._database.query(f"SELECT title FROM {TABLE} ORDER BY id DESC LIMIT 10")
            return answers.page("Items", "".join(f"<p>{title}</p>" for (title,) in rows))
        if request.path == HEALTH_PATH:
            status = 200 if self._database.answers() else 503
            kind = "application/json" if HEALTH_ANSWER.startswith("{") else "text/plain"
            return Answer(status, HEALTH_ANSWER.encode(), kind)
        if request.path == "/static/site.css":
            return Answer(200, STYLE, "text/css")
        if LOGIN_PATH and request.path == LOGIN_PATH:
            return answers.login()
        return answers.page("Not found", "<p>No such page.</p>", 404)


def main() -> None:
    """Listen until told to stop."""
    os.environ.setdefault("DATABASE_URL", "")
    service = Service(int(os.environ.get("PORT", "8000")), Shop(Database(Faults())))

    def stop(number: int, frame: object) -> None:
        threading.Thread(target=service.stop_gracefully).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    service.serve_forever(poll_interval=0.1)
    signal.pause()


if __name__ == "__main__":
    main()
