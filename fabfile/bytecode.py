"""Keep what Python has translated, as it does by itself: Invoke turns that off, and every command
would translate all of its modules anew."""

import sys

sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
