"""A production look-alike on this machine: a server with its own Docker engine, and the site."""
