"""What a page of HTML needs and sends: its static assets, its forms' hidden fields. Pure."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

# Links of these kinds are fetched with the page; others lead elsewhere.
_FETCHED = {"stylesheet", "icon", "apple-touch-icon", "preload", "modulepreload", "manifest"}


class PageParts(HTMLParser):
    """Reads one page.

    :param url: the page's own, by which relative links are read.
    """

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self._links: list[str] = []
        self._url = self._base = url
        self.feed(text)

    @property
    def assets(self) -> list[str]:
        """Paths with their queries, of this site alone, each once."""
        here = urlsplit(self._url).hostname
        found = dict.fromkeys(urljoin(self._base, link.strip()) for link in self._links)
        parts = [urlsplit(link) for link in found]
        return [
            (part.path or "/") + (f"?{part.query}" if part.query else "")
            for part in parts
            if part.hostname == here and part.scheme in ("http", "https")
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "base" and values.get("href"):
            self._base = urljoin(self._url, values["href"])
        if tag == "input" and values.get("type", "").lower() == "hidden" and values.get("name"):
            self.hidden[values["name"]] = values.get("value", "")
        kinds = set(values.get("rel", "").lower().split())
        name = {"script": "src", "img": "src", "link": "href"}.get(tag, "")
        if values.get(name) and (tag != "link" or kinds & _FETCHED):
            self._links.append(values[name])
