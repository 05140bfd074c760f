"""Lets a PyTorch that was built for CUDA load without CUDA: ``python tests/without_cuda.py FOLDER``, its ``torch/lib``.

PyPI has no old PyTorch for Linux on x86-64 without CUDA, which takes most of its room. The ELF files are changed in
their place: a library that is left out becomes the C library in the list of needed ones, undefined symbols become weak,
so that the loader takes zero for what is not found, and the code for GPUs becomes a hole in its file.
"""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path

LEFT_OUT = re.compile(
    rb"lib(torch_cuda_linalg|torch_nvshmem|cublas|cudnn|cufft|cufile|curand|cusparse|cusolver|nccl|nvrtc)"
)
"""CUDA's runtime is not among them: it is small, and what looks for a GPU calls it."""

PATCHED = ("libtorch_global_deps.so", "libtorch_python.so", "libtorch_cuda.so")

DYNAMIC, SYMBOLS, VERSIONS = 6, 11, 0x6FFFFFFE
GPU_CODE = b".nv_fatbin"
NEEDED = 1
WEAK = 2


def leave_out(folder: Path) -> None:
    """Patches the libraries in ``folder`` and removes those that nothing needs any more."""
    for name in PATCHED:
        file = folder / name
        library, (start, end) = patched(file.read_bytes())
        with file.open("wb") as target:
            target.write(library[:start])
            target.seek(end)
            target.write(library[end:])
    for file in folder.iterdir():
        if LEFT_OUT.match(file.name.encode()):
            file.unlink()


def patched(library: bytes) -> tuple[bytes, tuple[int, int]]:
    """A 64-bit little-endian ELF library that needs none of ``LEFT_OUT``, and where its code for GPUs lies."""
    elf = bytearray(library)
    (table,), (count, names) = struct.unpack_from("<Q", elf, 40), struct.unpack_from("<HH", elf, 60)
    # Of each section: its name, its type, where it begins, its size, and the number of the section with its strings.
    sections = [struct.unpack_from("<II16xQQI", elf, table + 64 * one) for one in range(count)]
    of_kind = {section[1]: section for section in sections}

    def text(strings: int, offset: int) -> bytes:
        start = sections[strings][2] + offset
        return bytes(elf[start : elf.index(0, start)])

    _, _, start, size, strings = of_kind[DYNAMIC]
    entries = [(one, *struct.unpack_from("<qQ", elf, one)) for one in range(start, start + size, 16)]
    needed = [(one, name) for one, tag, name in entries if tag == NEEDED]
    libc = next(name for _, name in needed if text(strings, name) == b"libc.so.6")
    for one, name in needed:
        if LEFT_OUT.match(text(strings, name)):
            struct.pack_into("<Q", elf, one + 8, libc)

    # The versions of symbols, by library: a weak one may be missing.
    one, following = (of_kind[VERSIONS][2], 1) if VERSIONS in of_kind else (0, 0)
    while following:
        versions, name, first, following = struct.unpack_from("<2xHIII", elf, one)
        if LEFT_OUT.match(text(strings, name)):
            struct.pack_into("<I", elf, one + 4, libc)
            version = one + first
            for _ in range(versions):
                struct.pack_into("<H", elf, version + 4, WEAK)
                version += struct.unpack_from("<I", elf, version + 12)[0]
        one += following

    _, _, start, size, _ = of_kind[SYMBOLS]
    for one in range(start + 24, start + size, 24):
        kind, section = struct.unpack_from("<BxH", elf, one + 4)
        if section == 0:
            elf[one + 4] = WEAK << 4 | kind & 15

    code = ((start, start + size) for name, _, start, size, _ in sections if text(names, name) == GPU_CODE)
    return bytes(elf), next(code, (0, 0))


if __name__ == "__main__":
    leave_out(Path(sys.argv[1]))
