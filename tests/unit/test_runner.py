"""Text that comes in pieces is whole, wherever it was cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fabfile.server.runner import complete


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 200))
def test_a_cut_never_goes_through_a_character(text: str, place: int) -> None:
    data = text.encode()
    first = data[:place]
    length = complete(first)
    assert len(first) - length <= 3
    assert (first[:length] + data[length:]) == data
    first[:length].decode()
    data[length:].decode()


def test_bytes_that_are_no_text_are_not_held_back_for_ever() -> None:
    assert complete(b"\x80\x80\x80") == 3
    assert complete(b"") == 0
