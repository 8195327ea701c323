"""The site's `.env.production`, with a password that is as awkward as a real one may be."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from lab.flavours import Flavour

DATABASE_USER = "stories"
DATABASE_NAME = "stories"
DATABASE_PASSWORD = r"""it's a "seed" $HOME $$ ${x} back\slash \n #1 100%"""


def env_file(flavour: Flavour) -> bytes:
    """The file, spelled so that Compose passes every value on exactly as it is."""
    url = (
        f"postgresql://{DATABASE_USER}:{quote(DATABASE_PASSWORD, safe='')}@db:5432/{DATABASE_NAME}"
    )
    values = {
        "NODE_ENV": "production",
        "POSTGRES_USER": DATABASE_USER,
        "POSTGRES_DB": DATABASE_NAME,
        "POSTGRES_PASSWORD": DATABASE_PASSWORD,
        "DATABASE_URL": url,
        "NEXTAUTH_URL": "https://1001stories.seedsofempowerment.org",
    }
    spell = _SPELLINGS[flavour.compose.partition(".")[0]]
    lines = [f"{name}={spell(value)}" for name, value in values.items()]
    return ("\n".join(lines) + "\n").encode()


def _is_plain(value: str) -> bool:
    return all(letter.isalnum() or letter in "_-./:@%" for letter in value)


def _for_compose_1(value: str) -> str:
    """One value as Compose 1.29, with python-dotenv, reads it back unchanged.

    Between single quotes it understands `\\'` and `\\\\`; `${x}` it replaces even there, and only
    the default of such a one may hold another.
    """
    if _is_plain(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + re.sub(r"\$\{(\w+)\}", r"${\1:-${\1}}", escaped) + "'"


def _for_compose_2(value: str) -> str:
    """One value as Compose 2.26 reads it back unchanged.

    Between double quotes it understands `\\"`, `\\\\` and `\\$`; between single quotes everything
    is as it stands, but a single quote ends it.
    """
    if _is_plain(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


_SPELLINGS: dict[str, Callable[[str], str]] = {"1": _for_compose_1, "2": _for_compose_2}
