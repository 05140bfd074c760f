"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fscs_engine.errors import OutputError

PARTIAL = ".partial"
"""Stands before the suffix of every temporary name: ``.fscs-1f2e3d4c.partial.exr``."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Failures of a write that don't name the file."""


@contextmanager
def replaced_file(path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary path in the folder of ``path``, with its suffix, that takes its place when the block ends.

    If the block raises, the temporary file is removed and ``path`` stays as it was. A process that is killed leaves
    ``path`` as it was too, and perhaps the temporary file, whose name starts with a dot and holds ``PARTIAL``.

    Raises:
        OutputError: ``path`` exists and ``overwrite`` is False, its folder is missing, or it can't be written.
    """
    with replaced_files([path], overwrite=overwrite) as temporaries:
        yield temporaries[0]


@contextmanager
def replaced_files(paths: Sequence[str | Path], *, overwrite: bool) -> Iterator[list[Path]]:
    """As ``replaced_file``, for files of which all shall appear or none.

    Each file is replaced in one step, the group is not: where a rename fails, files that are new are taken back.
    """
    check_targets(paths, overwrite=overwrite)
    # A link is written through, as every other program does it, so the temporary lies beside what it points to.
    targets = [Path(os.path.realpath(path)) for path in paths]
    token = secrets.token_hex(4)
    temporaries = [
        target.with_name(f".fscs-{token}-{number}{PARTIAL}{target.suffix}") for number, target in enumerate(targets, 1)
    ]
    placed: list[Path] = []
    try:
        yield temporaries
        check_targets(targets, overwrite=overwrite)
        for temporary, target in zip(temporaries, targets, strict=True):
            new = not target.exists()
            temporary.replace(target)
            if new:
                placed.append(target)
    except BaseException as error:
        for file in (*temporaries, *placed):
            with suppress(OSError):
                file.unlink()
        if isinstance(error, OSError) and (error.errno in _FULL or error.filename in map(str, temporaries)):
            raise OutputError(
                f"{', '.join(str(path) for path in paths)}: can't be written ({error.strerror or error})",
                cure="check the disk space and the permissions",
            ) from error
        raise


def check_targets(paths: Sequence[str | Path], *, overwrite: bool) -> None:
    """Says before any work whether ``paths`` may be written.

    Raises:
        OutputError: see ``replaced_file``.
    """
    for given in paths:
        path = Path(given)
        if path.is_dir():
            raise OutputError(f"{path}: is a folder", cure="name a file")
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists already", cure="name another file or pass --overwrite")
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise OutputError(f"{path}: there is no folder {folder}", cure="make the folder first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{path}: the folder can't be written", cure="check its permissions")


def make_folder(folder: Path) -> None:
    """Makes a folder, and those it is in.

    Raises:
        OutputError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({error.strerror})", cure="name another folder") from error
