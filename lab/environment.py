"""The site's `.env.production`, with a password that is as awkward as a real one may be."""

from __future__ import annotations

from urllib.parse import quote

DATABASE_USER = "stories"
DATABASE_NAME = "stories"
DATABASE_PASSWORD = r"""it's a "seed" $HOME $$ ${x} back\slash \n #1 100%"""


def env_file() -> bytes:
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
    lines = [f"{name}={spell(value)}" for name, value in values.items()]
    return ("\n".join(lines) + "\n").encode()


def spell(value: str) -> str:
    """One value as Compose 2.26 reads it back unchanged.

    Between double quotes it understands `\\"`, `\\\\` and `\\$`; between single quotes everything
    is as it stands, but a single quote ends it.
    """
    if all(letter.isalnum() or letter in "_-./:@%" for letter in value):
        return value
    if "'" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
