"""What makes the start of a program quicker; imported before all others of ours."""

import gc
import sys

# Keep what Python has translated, as it does by itself: Invoke turns that off, and every command
# would translate all of its modules anew.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)


def begin() -> None:
    """Modules and models are there to stay: to look for garbage among them takes a tenth."""
    gc.disable()


def end() -> None:
    """Look for garbage from here on, and not among what is there by now; again: nothing."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
