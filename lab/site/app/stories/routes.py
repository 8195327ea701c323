"""The site's routes: a function for each, found by method and path."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2  # type: ignore[import-untyped,unused-ignore]

from . import accounts, answers, streams
from .answers import Answer
from .database import Database
from .faults import Faults, uptime
from .incoming import COOKIE, Request

RELEASE = os.environ.get("RELEASE", "dev")
STYLE = (Path(__file__).resolve().parent.parent / "static" / "site.css").read_bytes()


class Site:
    """The routes over one database."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults
        self._routes: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "/"): self._home,
            ("GET", "/login"): lambda request: answers.login(),
            ("GET", "/dashboard"): self._dashboard,
            ("GET", "/admin"): self._admin,
            ("GET", "/slow"): self._slow,
            ("GET", "/favicon.ico"): lambda request: Answer(
                200, b"\0\0\1\0\0\0", "image/x-icon", (("Cache-Control", "max-age=86400"),)
            ),
            ("GET", "/static/site.css"): lambda request: Answer(
                200, STYLE, "text/css", (("Cache-Control", "public, max-age=3600"),)
            ),
            ("GET", "/api/health"): self._health,
            ("GET", "/api/roles"): lambda request: answers.data(accounts.roles(self._database)),
            ("GET", "/api/events"): lambda request: streams.events(RELEASE),
            ("GET", "/api/socket"): lambda request: streams.socket(RELEASE, request.socket_key),
            ("GET", "/api/auth/signin"): lambda request: answers.data(
                {"credentials": {"id": "credentials", "type": "credentials"}}
            ),
            ("POST", "/api/auth/signin"): self._sign_in,
            ("POST", "/api/auth/signup"): self._sign_up,
            ("POST", "/api/story"): self._write_story,
        }

    def answer(self, request: Request) -> Answer:
        """The answer to a request, with the faults that are switched on."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            return answers.page("Not found", "<p>No such page.</p>", 404)
        if request.path != "/api/health" and (reason := self._faults.page(request)):
            return answers.page("Error", f"<p>{reason}</p>", 500)
        try:
            return route(request)
        except accounts.UnknownRole as error:
            return answers.data({"error": str(error)}, 500)
        except psycopg2.Error as error:
            return answers.data({"error": str(error).strip().splitlines()[0]}, 500)

    def _home(self, request: Request) -> Answer:
        rows = self._database.query(
            'SELECT s.title, u.name FROM "Story" s JOIN "User" u ON u.id = s."authorId"'
            " ORDER BY s.id DESC LIMIT 10"
        )
        return answers.home((str(title), str(author)) for title, author in rows)

    def _dashboard(self, request: Request) -> Answer:
        visitor = accounts.visitor(self._database, request.token)
        if visitor is None:
            return answers.redirect("/login")
        return answers.page("Dashboard", f"<p>{visitor.name}, {visitor.role}</p>")

    def _admin(self, request: Request) -> Answer:
        visitor = accounts.visitor(self._database, request.token)
        if visitor is None:
            return answers.redirect("/login")
        if visitor.role != "ADMIN":
            return answers.page("Forbidden", "<p>For administrators.</p>", 403)
        return answers.page("Administration", f"<p>{visitor.name}</p>")

    def _slow(self, request: Request) -> Answer:
        seconds = min(max(float(request.query.get("seconds", "2")), 0), 30)
        time.sleep(seconds)
        return answers.data({"slept": seconds})

    def _health(self, request: Request) -> Answer:
        connected = self._database.answers()
        reason = self._faults.health()
        state = {
            "status": "ok" if connected and not reason else "error",
            "database": "connected" if connected else "disconnected",
            "release": RELEASE,
            "uptime": round(uptime(), 1),
        }
        if reason:
            state["error"] = reason
        status = 200 if state["status"] == "ok" else 503
        return answers.data(state, 500 if self._faults.expired() else status)

    def _sign_in(self, request: Request) -> Answer:
        email, password = request.form.get("email", ""), request.form.get("password", "")
        token = accounts.sign_in(self._database, email, password)
        if token is None:
            return answers.data({"error": "CredentialsSignin"}, 401)
        cookie = f"{COOKIE}={token}; Path=/; HttpOnly; Secure; SameSite=Lax"
        return answers.redirect("/dashboard", ("Set-Cookie", cookie), status=302)

    def _sign_up(self, request: Request) -> Answer:
        form = request.form
        if not all(form.get(name) for name in ("email", "name", "password")):
            return answers.data({"error": "email, name and password are needed"}, 400)
        made = accounts.sign_up(self._database, form["email"], form["name"], form["password"])
        return answers.data({"id": made}, 201)

    def _write_story(self, request: Request) -> Answer:
        title = request.form.get("title", "Untitled")
        rows = self._database.query(
            'INSERT INTO "Story" (title, content, "authorId")'
            ' VALUES (%s, %s, (SELECT id FROM "User" ORDER BY id LIMIT 1)) RETURNING id',
            (title, request.form.get("content", "")),
        )
        return answers.data({"id": rows[0][0]}, 201)
