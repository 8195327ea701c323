"""What takes how long, measured in the lab: `make bench`, or `python -m bench NAME…`."""
