"""A webhook's URL is a secret: whoever has it can write there. It is shown by its host alone."""

from __future__ import annotations

import logging
import re

_URL = re.compile(r"""(https?://)(?:[^\s/'"@]*@)?([^\s/'"?#\\]+)[/?#][^\s'"<>]*""")


def without_paths(text: str) -> str:
    """Of every URL only scheme and host: `https://hooks.slack.com/…`."""
    return _URL.sub(r"\1\2/…", text)


def mask_debugging() -> None:
    """With --debug, Invoke logs whole settings files."""
    logging.getLogger("invoke").addFilter(_mask)


def _mask(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_paths(record.getMessage()), ()
    return True
