"""Starts the app: `python3 -m stories`."""

from __future__ import annotations

import os
import signal
import sys
import threading

from .database import Database
from .faults import Faults
from .routes import RELEASE, Site
from .service import Service


def main() -> None:
    """Listen until told to stop."""
    faults = Faults()
    if faults.crashes_at_start():
        sys.exit("Error: cannot start: broken on purpose: crash-at-start")
    ballast = faults.take_memory()
    service = Service(int(os.environ.get("PORT", "3000")), Site(Database(faults), faults))

    def stop(number: int, frame: object) -> None:
        # Not in the handler itself, which interrupts the very loop that has to end.
        threading.Thread(target=service.stop_gracefully).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    held = f", holding {len(ballast)} bytes" if ballast else ""
    print(f"release {RELEASE} listens on port {service.server_port}{held}", flush=True)
    service.serve_forever(poll_interval=0.1)
    # The thread that stops ends the process once everything is answered.
    signal.pause()


if __name__ == "__main__":
    main()
