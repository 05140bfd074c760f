"""How frames are shared out; test_sequence.py runs and kills the processes."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.shots.processes import _CHUNK, _chunks


@given(st.integers(1, 400), st.integers(1, 32))
def test_every_frame_is_done_once_by_neighbors(count, jobs):
    frames = [(number, "") for number in range(1001, 1001 + count)]
    chunks = list(_chunks(frames, jobs))
    assert list(chain.from_iterable(chunks)) == frames
    assert all(1 <= len(chunk) <= _CHUNK for chunk in chunks)
    if count >= jobs:
        assert len(chunks) >= jobs  # no process has nothing to do
