"""How loops for the CPU are compiled: all at once, in several processes, and only once for a machine.

What is compiled is kept in a folder: the one that the variable ``FSCS_CACHE`` names, else ``__pycache__`` beside this
file, else the user's cache folder. The first two can be filled while installing and shipped with an environment: they
are read even where they can't be written to. A file's name has a hash of the function's module, of the code and the
numbers of it and of all that it calls, of the processor, and of the versions of Python and numba, so whatever fits is
up to date.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import logging
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache, update_wrapper
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import CodeType
from typing import Any, TypeVar

import numba
import numpy as np
import platformdirs
from numba import njit, types
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps
from numpy.typing import NDArray

_F = TypeVar("_F", bound=Callable[..., Any])

FOLDER = "FSCS_CACHE"
"""The variable that names the folder of what is compiled."""

# NaN and infinity stay, a division by zero gives them as in NumPy; threads run beside each other.
_FAST = {"contract", "nsz"}
_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
# Loops that make no arrays need none of numba's memory management, which is a third of what is to be compiled.
_BARE: dict[str, Any] = {**_OPTIONS, "_nrt": False, "no_cfunc_wrapper": True}

_MOST_PROCESSES = 3  # more would wait for the longest loop

# What numba's stubs say of these is too narrow, or nothing.
_array: Any = types.Array
_jit: Any = njit
_rebuild: Any = CompileResult._rebuild
_dumps: Any = dumps
_log = logging.getLogger(__name__)
_lock = Lock()
_loops: dict[str, Loop] = {}


def compiled(function: _F) -> _F:
    """A decorator: compiled at the first call, for the types that it brings."""
    made: Any = _jit(**_OPTIONS)(function)
    made._cache = _Kept(function)
    return made


def inner(function: _F) -> _F:
    """A decorator for what only other loops call, and that makes no arrays."""
    made: Any = _jit(no_cpython_wrapper=True, **_BARE)(function)
    return made


def loop(arguments: str) -> Callable[[_F], _F]:
    """A decorator for loops that make no arrays: compiled for these arguments, together with all others there are.

    Args:
        arguments: a word for each. ``in3`` is an array of three axes in C order that is read, ``out3`` one that is
            written, both float32; ``in3s`` and ``out3s`` may have any strides. ``in3w`` and ``out3w`` are uint16,
            ``in3b`` and ``out3b`` uint8. Else a name of numba, as ``int64``.
    """

    def decorate(function: _F) -> _F:
        made: Any = Loop(function, tuple(_argument(word) for word in arguments.split()))
        _loops[made.name] = made
        return made

    return decorate


def _argument(word: str) -> Any:
    found = re.fullmatch(r"(in|out)(\d)([wbs]?)", word)
    if found:
        reads, numbers = found[1] == "in", {"w": types.uint16, "b": types.uint8}.get(found[3], types.float32)
        return _array(numbers, int(found[2]), "A" if found[3] == "s" else "C", readonly=reads, aligned=not reads)
    return types.int64[::1] if word == "order" else getattr(types, word)


class Loop:
    """Loops of one signature that Python calls."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        update_wrapper(self, function)
        self.name = f"{function.__module__}:{function.__name__}"
        self.ready = False
        self._arguments, self._function = arguments, function
        self._dispatcher: Any = _jit(**_BARE)(function)
        self._kept = self._dispatcher._cache = _Kept(function)

    def __call__(self, *arguments: Any) -> Any:
        """Runs the loops; the first call of any makes all of them ready."""
        if not self.ready:
            prepare()
        return self._dispatcher(*arguments)

    @property
    def size(self) -> int:
        """Of the code to compile."""
        return sum(len(code.co_code) for code, _ in _parts(self._function))

    def is_kept(self) -> bool:
        """Whether there is a file of it for this machine."""
        return self._kept.found(self._arguments) is not None

    def compile(self) -> None:
        """Loads what is kept, or compiles it and keeps it."""
        if not self.ready:
            self._dispatcher.compile(self._arguments)
            self._dispatcher.disable_compile()  # other types than these are a mistake
            self.ready = True


def missing() -> list[str]:
    """Names of the loops, of the modules imported so far, that this machine has to compile; the largest first.

    Those of one module, which share functions, stand together.
    """
    wanted = [made for made in _loops.values() if not made.ready and not made.is_kept()]
    modules = {made.__module__: 0 for made in wanted}
    for made in wanted:
        modules[made.__module__] += made.size
    wanted.sort(key=lambda made: (-modules[made.__module__], made.__module__, -made.size))
    return [made.name for made in wanted]


def prepare() -> None:
    """Makes the loops of the modules imported so far ready. What is kept is loaded, the rest compiled, once."""
    with _lock:
        names = missing()
        if names:
            _log.info("compiling for this machine (once)")
            _compile_beside(names)
        for made in list(_loops.values()):
            made.compile()


def _compile_beside(names: Sequence[str]) -> None:
    """Compiles loops here and in processes beside this one: in each, numba compiles one function at a time."""
    with tempfile.TemporaryDirectory(prefix="fscs-") as claims:
        start = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import _take; _take()"
        command = [sys.executable, "-I", "-c", start, claims, *reversed(names)]
        options: dict[str, Any] = {
            "env": {**os.environ, FOLDER: os.fspath(_new())},
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,  # what they can't compile is compiled here, with its error
            "creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0),
        }
        count = min(os.cpu_count() or 1, _MOST_PROCESSES, len(names)) - 1
        beside = [subprocess.Popen(command, **options) for _ in range(count)]
        try:
            _claim(Path(claims), names)
        except BaseException:
            for process in beside:
                process.kill()
            raise
        finally:
            for process in beside:
                process.wait()


def _take() -> None:
    """What a process beside another does: compiles loops that nobody has begun."""
    claims, names = Path(sys.argv[1]), sys.argv[2:]
    for module in {name.partition(":")[0] for name in names}:
        import_module(module)
    _claim(claims, names)


def _claim(claims: Path, names: Sequence[str]) -> None:
    collects = gc.isenabled()
    gc.disable()  # a compiler makes many objects, of which few go
    try:
        for name in names:
            with suppress(FileExistsError):
                (claims / name.replace(":", " ")).mkdir()
                _loops[name].compile()
    finally:
        if collects:
            gc.enable()


class _Kept(_Cache):
    """The files of one function. Numba asks it for code before it compiles, and gives it what it compiled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @property
    def cache_path(self) -> str:
        return os.fspath(_new())

    def found(self, arguments: Any) -> Path | None:
        """The file for these types, if there is one."""
        name = self._name(arguments)
        return next((file for folder in places() if (file := folder / name).is_file()), None)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """See numba's class.

        Of what numba gets ready for compiling, code that is loaded needs its runtime alone: the rest takes 0.4 s.
        """
        rtsys.initialize(target_context)
        file = self.found(sig)
        if file is None:
            return None
        try:
            return _rebuild(target_context, *pickle.loads(file.read_bytes()))
        except Exception as error:  # whatever a damaged file leads to
            _log.warning("%s: %s; compiling again", file, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """See numba's class."""
        file = _new() / self._name(sig)
        partial = file.with_suffix(f".{os.getpid()}")
        try:
            partial.write_bytes(_dumps(data._reduce()))
            partial.replace(file)
        except OSError as error:
            _log.warning("%s: %s; not stored, so it is compiled again next time", file, error.strerror)

    def enable(self) -> None:
        """See numba's class."""

    def disable(self) -> None:
        """See numba's class."""

    def flush(self) -> None:
        """See numba's class."""

    def _name(self, arguments: Any) -> str:
        code = [(code.co_code, code.co_consts, code.co_names, numbers) for code, numbers in _parts(self._function)]
        machine = cpu_target.target_context.codegen().magic_tuple()
        versions = sys.version, numba.__version__, sorted(_FAST), _OPTIONS["error_model"]
        what = repr((self._function.__module__, code, machine, versions, arguments)).encode()
        return f"{self._function.__name__}-{hashlib.sha256(what).hexdigest()[:24]}.loop"


def _parts(function: Any, seen: set[Any] | None = None) -> Iterator[tuple[CodeType, list[Any]]]:
    """The code of a function and of all that it calls, with the numbers that stand in their modules."""
    seen = set() if seen is None else seen
    if function in seen:
        return
    seen.add(function)
    used = [(name, function.__globals__.get(name)) for name in function.__code__.co_names]
    yield function.__code__, [(name, value) for name, value in used if isinstance(value, int | float)]
    for _, value in used:
        if hasattr(value, "py_func"):
            yield from _parts(value.py_func, seen)


@cache
def places() -> list[Path]:
    """The folders where compiled code is looked for."""
    asked = os.environ.get(FOLDER)
    near = Path(__file__).with_name("__pycache__")
    return [Path(asked), near] if asked else [near, platformdirs.user_cache_path("fscs", appauthor=False)]


@cache
def _new() -> Path:
    """The folder where new code goes."""
    folders = places()
    for place in folders:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()
            return place
    _log.warning(
        "loops are compiled again in every process: no folder can be written to (%s); name one in the variable %s",
        ", ".join(map(str, folders)),
        FOLDER,
    )
    alone = Path(tempfile.mkdtemp(prefix="fscs-"))
    atexit.register(shutil.rmtree, alone, ignore_errors=True)
    folders.append(alone)
    return alone


_LINE = 16  # numbers in a cache line


def planes(count: int, numbers: int) -> NDArray[np.float32]:
    """Scratch memory for loops: (count, ≥ numbers) float32, all 0, each plane beginning a cache line.

    Vectors across two lines cost twice the time.
    """
    length = -(-numbers // _LINE) * _LINE
    memory = np.zeros(count * length + _LINE, np.float32)
    first = -(memory.ctypes.data // 4) % _LINE
    return memory[first : first + count * length].reshape(count, length)
