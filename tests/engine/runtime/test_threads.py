"""Rows shared out among threads: in order, each once, errors and all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fscs_engine.runtime.threads import _pool, ahead, over_rows


@given(
    top=st.integers(0, 50),
    height=st.integers(0, 100),
    rows=st.integers(1, 40),
    threads=st.sampled_from([0, 1, 2, 3]),
)
def test_every_row_once_and_in_order(top, height, rows, threads):
    blocks = over_rows(lambda first, last: (first, last), top, top + height, rows, threads)
    assert [row for first, last in blocks for row in range(first, last)] == list(range(top, top + height))
    assert all(0 < last - first <= rows for first, last in blocks)
    assert len(blocks) == -(-height // rows)


def test_results_are_in_order_whoever_is_first():
    """The first block waits for the last one."""
    done = threading.Event()

    def job(first, last):
        if first == 0:
            assert done.wait(30)
        if last == 3:
            done.set()
        return first

    assert over_rows(job, 0, 3, 1, 2) == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_comes_through(threads):
    def job(first, _last):
        if first == 4:
            raise KeyError("row 4")
        return first

    with pytest.raises(KeyError, match="row 4"):
        over_rows(job, 0, 10, 2, threads)
    assert over_rows(job, 5, 11, 2, threads) == [5, 7, 9], "the threads live on"


@pytest.mark.parametrize("height", [0, 3, 10])
def test_one_thread_stays_where_it_is(height):
    found = over_rows(lambda first, last: threading.current_thread(), 0, height, 5, 1)
    assert set(found) <= {threading.current_thread()}


def test_a_single_block_goes_to_a_thread_too():
    (found,) = over_rows(lambda first, last: threading.current_thread(), 0, 3, 5, 2)
    assert found is not threading.current_thread()


def test_several_threads_are_at_work_at_a_time():
    meeting = threading.Barrier(2)
    found = over_rows(lambda first, last: meeting.wait(30) >= 0 and threading.current_thread(), 0, 2, 1, 2)
    assert len(set(found)) == 2
    assert threading.current_thread() not in found


@pytest.mark.timeout(60)
def test_jobs_that_share_out_rows_themselves_do_not_wait_for_ever():
    def job(first, last):
        return sum(over_rows(lambda a, b: a, first, last, 1, 2))

    assert sum(over_rows(job, 0, 40, 4, 2)) == sum(range(40))


def test_the_next_item_is_made_while_one_is_in_use():
    made, closed = [threading.Event() for _ in range(4)], []

    def items():
        try:
            for number, event in enumerate(made):
                event.set()
                yield number
        finally:
            closed.append(True)

    for number in ahead(items()):
        assert made[min(number + 1, 3)].wait(30)
        assert not any(event.is_set() for event in made[number + 2 :])
    assert number == 3
    assert closed == [True]


@pytest.mark.timeout(60)
def test_items_end_with_their_error_or_when_nobody_wants_more():
    closed = []

    def items():
        try:
            yield 1
            yield 2
            raise KeyError("third")
        finally:
            closed.append(True)

    found = []
    with pytest.raises(KeyError, match="third"):
        found.extend(ahead(items()))
    some = ahead(ahead(items()))
    assert next(some) == 1
    some.close()
    assert closed == [True, True]


def test_pytorch_has_one_thread_in_each_of_ours_and_all_elsewhere():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        _pool.cache_clear()
        assert over_rows(lambda first, last: torch.get_num_threads(), 0, 6, 1, 2) == [1] * 6
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as another:
            assert another.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
