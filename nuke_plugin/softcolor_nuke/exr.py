"""Reads the headers of EXR files. Their pixels are the engine's business: Nuke's Python is slow at them."""

from __future__ import annotations

import os
from typing import Any, Union

from .fscs import exr_header
from .fscs.exr_header import ExrError
from .fscs.protocol import WorkerError

_headers: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
"""Headers that were read, with the time and size of their file."""


def read_header(path: Union[str, os.PathLike[str]]) -> dict[str, Any]:
    """The attributes of an EXR file's first part that are texts, windows or single numbers.

    Raises:
        WorkerError: no such file, or no EXR (code ``input``).
    """
    name = os.fspath(path)
    try:
        found = os.stat(name)  # noqa: PTH116  # a str and a Path
        stamp = (found.st_mtime_ns, found.st_size)
        known = _headers.get(name)
        if known is None or known[0] != stamp:
            known = stamp, dict(exr_header.read_header(name).attributes)
            if len(_headers) >= 1000:
                _headers.clear()
            _headers[name] = known
        return known[1]
    except OSError as error:
        raise WorkerError("input", f"{name} can't be read ({error.strerror})", "render the frame") from error
    except ExrError as error:
        raise WorkerError("input", str(error), "render the frame again") from error
