"""Rows shared out among threads, for work that releases the interpreter: loops, NumPy, OpenColorIO, PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import current_thread
from typing import TypeVar

_T = TypeVar("_T")

_NAME = "rows"


def over_rows(job: Callable[[int, int], _T], top: int, bottom: int, rows: int, threads: int) -> list[_T]:
    """Runs ``job(first, last)`` for blocks of rows; results from top to bottom.

    Within a job it runs one block after the other: threads that wait for each other would wait for ever.

    Args:
        job: works on rows ``first`` to ``last``, which no other call has.
        top: first row.
        bottom: the row after the last.
        rows: of a block.
        threads: how many run at a time.
    """
    firsts = range(top, bottom, rows)
    lasts = [min(bottom, first + rows) for first in firsts]
    if threads < 2 or len(firsts) < 2 or current_thread().name.startswith(_NAME):
        return [job(first, last) for first, last in zip(firsts, lasts, strict=True)]
    return list(_pool(threads).map(job, firsts, lasts))


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix=_NAME, initializer=_work_alone)


def _work_alone() -> None:
    """Keeps PyTorch from sharing out what a thread of ours does: all cores have their work already."""
    import torch
    from threadpoolctl import ThreadpoolController

    torch.get_num_threads()  # from the first question on, a thread has a number of its own
    ThreadpoolController().limit(limits=1, user_api="openmp")
