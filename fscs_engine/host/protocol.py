"""What passes between a host and the worker: JSON lines over pipes, pixels in files of a private folder.

A **request** is one JSON object on one line, ``{"request": "segment", "id": 7, …}``. Each is answered by one
**reply** with the same id, ``{"reply": "segment", "id": 7, …}`` or ``{"reply": "error", "id": 7, "code": …,
"message": …, "cure": …}``; before it come **events**, ``{"event": "progress", "id": 7, "fraction": 0.4, "eta":
3.2}``. A line that can't be understood is answered by an error whose id is null, and nothing else happens.

Pixels are little-endian float32 in C order, top row first, in files without a header.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Optional

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PROTOCOL_VERSION = 3
"""Goes up whenever an old host and a new engine, or the other way round, would no longer understand each other."""

MAXIMUM_LINE = 1 << 20
"""Bytes of a line, its end included."""

MAXIMUM_SIDE = 65536
"""Pixels of a side of a picture."""

MAXIMUM_LAYERS = 16
MAXIMUM_ID = (1 << 53) - 1
FLOAT_BYTES = 4
FOLDER_PREFIX = "fscs-worker-"
"""How the folder is called in which a client starts a worker."""

STALE_AGE = 60.0
"""Seconds after which a private folder that nobody holds any more counts as left over."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")

JsonObject = dict[str, Any]


class WorkerError(Exception):
    """Anything that went wrong with a request or with the worker itself.

    Attributes:
        code: a stable word for programs: ``worker`` (the process can't be started, ended or hangs), ``protocol``
            (a line or field that is not as it should be), ``cancelled``, ``internal`` (a fault of the engine, its
            traceback is in the log), or one of the engine's (``usage``, ``input``, ``palette``, ``color-space``,
            ``non-finite``, ``range``, ``output``, ``weights``, ``device``).
        message: what is wrong.
        cure: what to do about it, or an empty string.
    """

    def __init__(self, code: str, message: str, cure: str = "") -> None:
        super().__init__(code, message, cure)
        self.code = code
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}: {self.cure}" if self.cure else self.message

    @property
    def exit_code(self) -> int:
        """What a program ends with, as ``fscs`` does: 2 where the same request would fail again, 1 where it may not."""
        return {"cancelled": 130, "worker": 1, "protocol": 1, "internal": 1}.get(self.code, 2)


def protocol_error(message: str, cure: str = "use a plug-in and an engine of the same release") -> WorkerError:
    """A ``WorkerError`` of code ``protocol``: whoever wrote the line is a program, so the cure is mostly the same."""
    return WorkerError("protocol", message, cure)


def encode(message: JsonObject) -> bytes:
    """One line, its end included.

    Raises:
        WorkerError: something JSON can't say (NaN, infinity, other types), or longer than ``MAXIMUM_LINE``.
    """
    try:
        line = json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise protocol_error(f"a message that JSON can't hold ({error})") from error
    if len(line) > MAXIMUM_LINE:
        raise protocol_error(f"a message of {len(line)} bytes, the limit is {MAXIMUM_LINE}")
    return line


def decode(line: bytes) -> JsonObject:
    """The object on one line.

    Raises:
        WorkerError: not UTF-8, not JSON, NaN or infinity in it, nested too deeply, or not an object.
    """
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise protocol_error(f"a line that is not JSON ({_short(str(error))})") from error
    if not isinstance(message, dict):
        raise protocol_error(f"a line that is not a JSON object but {_json_type(message)}")
    return message


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _short(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


class LineSplitter:
    """Cuts a stream of bytes into lines without ever holding more than one line of ``MAXIMUM_LINE`` bytes."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> list[Optional[bytes]]:
        """The lines that end in ``chunk``, without their ends; None stands for a line that was too long."""
        lines: list[Optional[bytes]] = []
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._add(piece)
            lines.append(None if self._skipping else bytes(self._begun))
            self._begun.clear()
            self._skipping = False
        self._add(rest)
        return lines

    def _add(self, piece: bytes) -> None:
        if not self._skipping and len(self._begun) + len(piece) < MAXIMUM_LINE:
            self._begun += piece
        else:
            self._begun.clear()
            self._skipping = True


_REQUIRED = object()


class Fields:
    """Reads the fields of an object one by one and refuses what is missing, of another type, or left over.

    Args:
        values: the object.
        where: how to call it in an error, ``image`` or ``masks[0]``; empty for the request itself.
    """

    def __init__(self, values: JsonObject, where: str = "") -> None:
        self._values = dict(values)
        self._where = where

    def _take(self, name: str, default: object) -> Any:
        if name in self._values:
            return self._values.pop(name)
        if default is _REQUIRED:
            raise protocol_error(f"{self.called(name)} is missing")
        return default

    def called(self, name: str) -> str:
        """How a field is called in an error."""
        return f"{self._where}.{name}" if self._where else name

    def _wrong(self, name: str, value: object, wanted: str) -> WorkerError:
        return protocol_error(f"{self.called(name)} is {_json_type(value)}, not {wanted}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not yet read."""
        return name in self._values

    def text(self, name: str, default: Any = _REQUIRED) -> str:
        """A text without NUL characters."""
        value = self._take(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, value, "a text")
        if "\0" in value:
            raise protocol_error(f"{self.called(name)} holds a NUL character", cure="take it out")
        return value

    def integer(self, name: str, minimum: int, maximum: int, default: Any = _REQUIRED) -> int:
        """A whole number from ``minimum`` to ``maximum``."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(name, value, "a whole number")
        if not minimum <= value <= maximum:
            raise protocol_error(f"{self.called(name)} is out of range", cure=f"use {minimum} to {maximum}")
        return value

    def number(self, name: str, default: Any = _REQUIRED) -> float:
        """A finite number."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(name, value, "a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):  # 1e999 is valid JSON
            raise protocol_error(f"{self.called(name)} is not finite", cure="use a finite number")
        return number

    def flag(self, name: str, default: Any = _REQUIRED) -> bool:
        """True or false."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, value, "true or false")
        return value

    def mapping(self, name: str, default: Any = _REQUIRED) -> JsonObject:
        """An object."""
        value = self._take(name, default)
        if not isinstance(value, dict):
            raise self._wrong(name, value, "an object")
        return value

    def items(self, name: str, default: Any = _REQUIRED) -> list[Any]:
        """A list."""
        value = self._take(name, default)
        if not isinstance(value, list):
            raise self._wrong(name, value, "a list")
        return value

    def names(self) -> list[str]:
        """The fields not yet read."""
        return list(self._values)

    def end(self, allowed: Iterable[str] = ()) -> None:
        """Refuses fields that nobody read."""
        for name in self._values:
            if name not in allowed:
                raise protocol_error(f"unknown field {_short(self.called(name))!r}")


def request_id(message: JsonObject) -> Optional[int]:
    """The id of a request if it has a usable one."""
    value = message.get("id")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAXIMUM_ID:
        return value
    return None


def pixel_bytes(shape: Sequence[int]) -> int:
    """Bytes of a float32 array."""
    size = FLOAT_BYTES
    for side in shape:
        size *= side
    return size


def shared_path(folder: Path, name: str) -> Path:
    """Where a pixel file lies.

    Raises:
        WorkerError: ``name`` is more than the plain name of a file in ``folder``.
    """
    if not _PLAIN_NAME.match(name):
        raise protocol_error(f"{_short(name)!r} is not the plain name of a file", cure="name a file of the folder")
    return folder / name


def create_shared(folder: Path, name: str, size: int) -> BinaryIO:
    """A new file of ``size`` bytes that only the user can read, its space on the disk reserved.

    Space is reserved because writing to a mapping of a file that finds the disk full ends the process.

    Raises:
        WorkerError: ``name`` is not plain, or the folder has no room (code ``output``).
    """
    path = shared_path(folder, name)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise WorkerError("output", f"{path} can't be created ({error.strerror})", _ROOM_CURE) from error
    try:
        _reserve(descriptor, folder, size)
        return os.fdopen(descriptor, "r+b", buffering=0)
    except OSError as error:
        os.close(descriptor)
        remove_shared(folder, name)
        message = f"{size} bytes of pixels do not fit in {folder} ({error.strerror})"
        raise WorkerError("output", message, _ROOM_CURE) from error


_ROOM_CURE = "free some disk space there, or set TMPDIR to a folder on a larger disk before you start the program"


def _reserve(descriptor: int, folder: Path, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):  # a file system without it
                raise
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(descriptor, size)


def open_shared(folder: Path, name: str, shape: Sequence[int]) -> BinaryIO:
    """A pixel file opened for reading, after everything about it was checked that a mapping relies on.

    Raises:
        WorkerError: ``name`` is not plain, there is no such file, it is a link or no file at all, or its size is
            not that of a float32 array of ``shape``.
    """
    path = shared_path(folder, name)
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        before = path.lstat()
        if not stat.S_ISREG(before.st_mode):
            raise protocol_error(f"{path} is not a plain file", cure="write the pixels into a new file")
        descriptor = os.open(path, flags)
    except OSError as error:
        raise protocol_error(f"{path} can't be read ({error.strerror})", cure="write the pixels there first") from error
    file = os.fdopen(descriptor, "rb", buffering=0)
    found = os.fstat(descriptor)
    wanted = pixel_bytes(shape)
    if (found.st_dev, found.st_ino) != (before.st_dev, before.st_ino) or found.st_nlink > 1:
        problem = f"{path} is a link"
    elif found.st_size != wanted:
        sides = "×".join(str(side) for side in shape)
        problem = f"{path} has {found.st_size} bytes, {sides} float32 numbers need {wanted}"
    else:
        return file
    file.close()
    raise protocol_error(problem, cure="write the pixels as float32 into a new file")


def remove_shared(folder: Path, name: str) -> None:
    """Removes a pixel file if it is there; one that is still mapped on Windows stays until the folder goes."""
    with contextlib.suppress(OSError):
        shared_path(folder, name).unlink()


def remove_folder(folder: Path) -> bool:
    """Removes a private folder with all that is in it. Returns whether it is gone.

    Tried more than once, as another thread may just be making a file in it.
    """
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return True
    return False


def remove_stale_folders() -> None:
    """Removes private folders whose host and worker were both killed, as a render farm does.

    Both hold a lock on their folder while they live; without such locks (Windows) nothing is removed here.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(FOLDER_PREFIX):
                with contextlib.suppress(OSError):
                    _remove_if_stale(Path(entry.path))


def _remove_if_stale(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid() and time.time() - found.st_mtime > STALE_AGE:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_folder(folder)
    finally:
        os.close(descriptor)


def hold_folder(folder: Path) -> Optional[int]:
    """A lock that lasts as long as this process or the worker, which inherits it, is alive."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    return descriptor
