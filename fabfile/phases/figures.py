"""What the site's containers use, asked beside the run: the engine takes two seconds to say it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..beside import Beside
from ..probes.use import Use, read_use
from ..server.containers import Container
from ..site import Site

RECENT = 10.0  # seconds that a reading is as good as a new one


@dataclass(frozen=True)
class Reading:
    """One reading of the app that counts, nginx and the database.

    :param roles: the containers, by what they are for the site.
    """

    roles: Mapping[str, Container]
    use: list[Use]


class Figures(Beside[Reading]):
    """A reading that is under way.

    :param app: finds the app's container; asked beside the run too.
    """

    def __init__(self, site: Site, app: Callable[[], Container]) -> None:
        self._asked = time.monotonic()
        super().__init__(lambda: _read(site, app()))

    @property
    def recent(self) -> bool:
        """Whether who comes next need not ask again."""
        return time.monotonic() - self._asked < RECENT


def _read(site: Site, app: Container) -> Reading:
    roles = site.containers.by_role(app)
    return Reading(roles, read_use(site.server, [c.name for c in roles.values() if c.running]))
