"""`python -m bench NAME…` measures those; without names, all."""

from __future__ import annotations

import argparse
import sys

from .frame import BENCHES, Asked, run


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure in the lab.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--times", type=int, default=0, help="how often each thing is measured")
    parser.add_argument(
        "--long", action="store_true", help="a million requests, 5 GB, a million users: hours"
    )
    parser.add_argument("--servers", type=int, default=0, help="of several, no more than these")
    parser.add_argument("--requests", type=int, default=0, help="the switch goes on for so many")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHES]:
        parser.error(f"{', '.join(unknown)}: allowed: {', '.join(BENCHES)}")
    if min(options.times, options.servers, options.requests) < 0:
        parser.error("--times, --servers and --requests: allowed: 1 and more")
    asked = Asked(options.times, options.long, options.servers, options.requests)
    return run(options.names or list(BENCHES), asked)


if __name__ == "__main__":
    sys.exit(main())
