"""The server itself: disk, memory, load."""

from __future__ import annotations

from dataclasses import dataclass

from .connection import Server

# One round trip: disk of each folder (the nearest that exists), memory, load, processors.
_READ = """
for folder in "$@"; do
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  df -P -B1 -- "$folder" | tail -n 1
done
echo ==
grep -E '^(MemTotal|MemAvailable):' /proc/meminfo
cat /proc/loadavg
nproc
"""


@dataclass(frozen=True)
class Disk:
    """One file system: its bytes, those that are free, and how full it is in percent."""

    mount: str
    size: int
    free: int
    percent: int


@dataclass(frozen=True)
class Machine:
    """One reading. Memory in bytes, load of the last minute."""

    disks: tuple[Disk, ...]
    memory: int
    memory_available: int
    load: float
    processors: int

    @property
    def tightest(self) -> Disk:
        """The disk with the least room."""
        return min(self.disks, key=lambda disk: disk.free)


def read_machine(server: Server, *folders: str) -> Machine:
    """Read the disks of these folders, memory and load in one round trip."""
    disks, _, rest = server.shell(_READ, *folders).stdout.partition("==\n")
    total, available, load, processors = rest.splitlines()
    return Machine(
        disks=tuple({disk.mount: disk for disk in map(_disk, disks.splitlines())}.values()),
        memory=int(total.split()[1]) * 1024,
        memory_available=int(available.split()[1]) * 1024,
        load=float(load.split()[0]),
        processors=int(processors),
    )


def _disk(line: str) -> Disk:
    fields = line.split(maxsplit=5)
    return Disk(
        mount=fields[5],
        size=int(fields[1]),
        free=int(fields[3]),
        percent=int(fields[4].rstrip("%")),
    )
