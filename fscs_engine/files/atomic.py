"""Files that appear whole or not at all: written under a temporary name, then renamed.

A process that is killed leaves its temporary files. The next one that writes into their folder removes them, if it is
certain that nobody works on them any more: several computers may write into the same folder at the same time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from ..errors import OutputError

PARTIAL = ".partial"
"""Stands before the suffix of every temporary name: ``.fscs-1f2e3d4c-4711-5a6b7c8d-1.partial.exr``."""

STALE_AGE = 7 * 24 * 3600.0
"""Seconds without a change after which a temporary file counts as left over, whatever computer wrote it."""

_TEMPORARY = re.compile(rf"\.fscs-(?:([0-9a-f]{{8}})-(\d+)-)?[^.]+{re.escape(PARTIAL)}(?:\.[^.]+)?")
_NOWHERE = "00000000"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Failures of a write that don't name the file."""


@contextmanager
def replaced_file(path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary path in the folder of ``path``, with its suffix, that takes its place when the block ends.

    If the block raises, the temporary file is removed and ``path`` stays as it was. A process that is killed leaves
    ``path`` as it was too, and perhaps the temporary file, whose name starts with a dot and holds ``PARTIAL``, until
    another one writes into the folder.

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
    for folder in {target.parent for target in targets}:
        _remove_left_over(folder)
    mark = _mark()
    temporaries = [
        target.with_name(f"{mark}-{number}{PARTIAL}{target.suffix}") for number, target in enumerate(targets, 1)
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


@contextmanager
def partial_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder in ``folder`` for parts of a file; it goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix=f"{_mark()}-", suffix=PARTIAL, dir=folder) as made:
        yield Path(made)


def _mark() -> str:
    """How the names of temporary files begin: with where this process runs, and its number there."""
    return f".fscs-{_here()}-{os.getpid()}-{secrets.token_hex(4)}"


@cache
def _here() -> str:
    """What all processes have in common that see each other by the same numbers, as long as the computer runs.

    Only Linux says it for certain: names of computers are given twice, and containers count their processes anew.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        numbers = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # it points nowhere
    except OSError:
        return _NOWHERE
    return hashlib.sha256(f"{socket.gethostname()} {boot} {numbers}".encode()).hexdigest()[:8]


@cache
def _remove_left_over(folder: Path) -> None:
    """Removes what killed processes left in a folder; looked for once in the life of this process."""
    with suppress(OSError), os.scandir(folder) as entries:
        # By the clock of the disk, which is that of the files' stamps too; this computer's may be another.
        now = folder.stat().st_mtime
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name)
            if found is None:
                continue
            with suppress(OSError):
                gone = found[1] == _here() != _NOWHERE and _is_gone(int(found[2]))
                if gone or now - entry.stat(follow_symlinks=False).st_mtime > STALE_AGE:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        Path(entry.path).unlink()


def _is_gone(number: int) -> bool:
    """Whether there is no process of this number. Not to be asked on Windows, where asking would end it."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


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
            raise OutputError(f"{path}: exists already", cure="name another file, or pass --overwrite")
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise OutputError(f"{path}: there is no folder {folder}", cure="create the folder first")
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
        raise OutputError(f"{folder}: can't be created ({error.strerror})", cure="name another folder") from error
