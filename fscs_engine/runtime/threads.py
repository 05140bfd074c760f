"""Rows shared out among threads, for work that releases the interpreter: loops, NumPy, OpenColorIO, PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from threading import Barrier, current_thread
from typing import TypeVar

_T = TypeVar("_T")

_NAME = "rows"


def over_rows(job: Callable[[int, int], _T], top: int, bottom: int, rows: int, threads: int) -> list[_T]:
    """Runs ``job(first, last)`` for blocks of rows; results from top to bottom.

    Within a job it runs one block after the other: threads that wait for each other would wait for ever. A single block
    goes to a thread too, where PyTorch sums in the same order as with any other number of threads.

    Args:
        job: works on rows ``first`` to ``last``, which no other call has.
        top: first row.
        bottom: the row after the last.
        rows: of a block.
        threads: how many run at a time.
    """
    firsts = range(top, bottom, rows)
    lasts = [min(bottom, first + rows) for first in firsts]
    if threads < 2 or current_thread().name.startswith(_NAME):
        return [job(first, last) for first, last in zip(firsts, lasts, strict=True)]
    return list(_pool(threads).map(job, firsts, lasts))


_END = object()


def ahead(items: Generator[_T, None, None]) -> Generator[_T, None, None]:
    """The same items, each made in a thread while the one before is in use. Closing it closes ``items`` too."""

    def following() -> object:
        return next(items, _END)

    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(following)
        try:
            while (item := coming.result()) is not _END:
                coming = thread.submit(following)
                yield item  # type: ignore[misc]  # an item, since it is not the end
        finally:
            wait([coming])
            items.close()


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads in which PyTorch has one thread: more would share out what a thread of ours does, with all cores busy."""
    import torch

    pool, together = ThreadPoolExecutor(threads, thread_name_prefix=_NAME), Barrier(threads)
    before = torch.get_num_threads()

    def work_alone() -> None:
        together.wait()  # so that each thread gets one of these
        torch.get_num_threads()  # what a thread begins with is set when it is first asked for
        torch.set_num_threads(1)

    for begun in [pool.submit(work_alone) for _ in range(threads)]:
        begun.result()
    torch.set_num_threads(before)  # of this thread it was the number all along; threads that come later begin with it
    return pool
