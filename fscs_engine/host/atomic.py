"""Files of hosts that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Union

from .protocol import WorkerError


@contextlib.contextmanager
def replaced_file(
    path: Union[str, os.PathLike[str]], cure: str = "choose another folder, or free disk space there"
) -> Iterator[BinaryIO]:
    """A file under a temporary name in the folder of ``path``, renamed at the end; removed after an error.

    Raises:
        WorkerError: it can't be made, written or renamed (code ``output``).
    """
    target = Path(path)
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _share(temporary)
        os.replace(temporary, target)  # noqa: PTH105  # a str and a Path
        temporary = ""
    except OSError as error:
        raise WorkerError("output", f"{target} can't be written ({error.strerror or error})", cure) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _share(path: str) -> None:
    """Gives a file the permissions that a new one has; temporary ones are for their owner only."""
    mask = os.umask(0)
    os.umask(mask)
    with contextlib.suppress(OSError):
        Path(path).chmod(0o666 & ~mask)
