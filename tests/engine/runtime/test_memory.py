"""Memory that is kept for the next frame: never shared by two arrays, never more than is allowed, given back."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from fscs_engine.runtime import memory
from fscs_engine.runtime.memory import LARGE, STORE, empty

LENGTH = LARGE // 4


@pytest.fixture(autouse=True)
def nothing_kept():
    STORE.release()
    yield
    STORE.release()


def address(array):
    return array.__array_interface__["data"][0]


def kept():
    return STORE.kept()


@pytest.mark.parametrize("shape", [(LENGTH,), (2, LENGTH // 2), (3, 5), (0, 4), ()])
def test_arrays_as_numpy_s(shape):
    array = empty(shape)
    assert array.shape == shape
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = 0.25
    assert (array == 0.25).all()
    assert array.size == 0 or address(array) % 64 == 0


def test_the_next_array_of_the_size_stands_on_the_same_memory():
    first, other = empty((2, LENGTH)), empty((LENGTH,))
    place = address(first)
    del first, other
    smaller = empty((LENGTH,))
    assert address(smaller) != place
    again = empty((LENGTH, 2))
    assert address(again) == place
    assert kept() == []


def test_memory_in_use_is_given_to_nobody():
    arrays = [empty((LENGTH,)) for _ in range(4)]
    for number, array in enumerate(arrays):
        array.fill(number)
    assert len({address(array) for array in arrays}) == 4
    assert [float(array.min()) for array in arrays] == [float(array.max()) for array in arrays] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array[3:9],
        lambda array: array.reshape(2, -1)[1].T[::2],
        torch.from_numpy,
        lambda array: torch.from_numpy(array).view(2, -1)[0],
        memoryview,
    ],
)
def test_whatever_looks_at_it_holds_it(hold):
    array = empty((LENGTH,))
    place, view = address(array), hold(array)
    del array
    gc.collect()
    assert address(empty((LENGTH,))) != place
    STORE.release()
    del view
    assert kept() == [LENGTH]


def test_small_arrays_are_not_kept():
    del_me = empty((LENGTH - 1,))
    del del_me
    assert kept() == []


def test_no_more_is_kept_than_allowed(monkeypatch):
    monkeypatch.setattr(memory, "MOST_KEPT", 3 * LARGE)
    arrays = [empty((LENGTH,)) for _ in range(5)]
    del arrays
    assert len(kept()) == 3
    large = empty((4 * LENGTH,))
    del large
    assert kept() == []  # more than is kept at all


def test_sizes_that_are_no_longer_asked_for_go(monkeypatch):
    monkeypatch.setattr(memory, "_PATIENCE", 6)
    first, second = empty((LENGTH,)), empty((LENGTH + 16,))
    del first, second
    for _ in range(6):
        assert kept()[:2] == [LENGTH, LENGTH + 16]
        now = empty((2 * LENGTH,))
        del now
    empty((2 * LENGTH,))
    assert kept() == [2 * LENGTH]


def test_a_frame_that_is_like_the_last_needs_no_memory():
    """Sizes that are asked for while others of the frame are back already."""
    places = []
    for _ in range(3):
        frame = [empty((4 * LENGTH,))]
        for length in (3 * LENGTH, 2 * LENGTH, LENGTH, LENGTH, LENGTH + 16):
            frame.append(empty((length,)))
            places.append(address(frame[-1]))
            if length != LENGTH:
                frame.pop()
    assert len(set(places[5:])) == len(set(places[:5])) == 5
    assert places[5:10] == places[10:]


def test_given_back_to_the_system():
    array = empty((LENGTH,))
    del array
    assert kept() == [LENGTH]
    STORE.release()
    assert kept() == []


def test_many_threads():
    def work(number):
        for _ in range(60):
            array = empty((LENGTH,))
            array[:: LENGTH // 8] = number
            if not (array[:: LENGTH // 8] == number).all():
                return False
            del array
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))
    assert len(kept()) <= 8
