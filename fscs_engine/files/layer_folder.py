"""Layers as files of their own in a folder: what PNG, TIFF and movies have in common."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .atomic import check_targets, make_folder, replaced_files
from .strips import Strips, levels, straight_layer


class LayerFile(Protocol):
    """The open file of one layer."""

    def write(self, values: NDArray[Any]) -> None:
        """Takes (h, W, 4) of what comes next."""


class LayerFolder(ABC):
    """The files of K layers, which all appear when the block ends, or none.

    Args:
        folder: where the files go; made if it is missing.
        names: of the K files.
        palette_rgb: (K, 3) sRGB in [0, 1]; the color of a layer where its alpha is 0.
        clip: clamp what lies outside [0, 1] instead of raising.
        overwrite: replace existing files.

    Attributes:
        paths: the K files.

    Raises:
        OutputError: a file exists, or can't be written.
        RangeError: on writing, a straight color or an alpha lies outside [0, 1].
    """

    KIND: ClassVar[str]
    """Of the files, for messages."""

    def __init__(
        self, folder: str | Path, names: Sequence[str], palette_rgb: NDArray[Any], *, clip: bool, overwrite: bool
    ) -> None:
        self._folder = Path(folder)
        self._palette = np.asarray(palette_rgb, dtype=np.float32)
        self._clip, self._overwrite = clip, overwrite
        self.paths = [self._folder / name for name in names]
        if self._folder.exists():
            check_targets(self.paths, overwrite=overwrite)

    @abstractmethod
    def _opened(self, temporary: Path, path: Path) -> AbstractContextManager[LayerFile]:
        """The file of a layer at its temporary name; ``path`` is for messages."""

    @abstractmethod
    def _check_whole(self) -> None:
        """Raises ValueError where not everything was written."""

    def _stored(self, straight: NDArray[np.float32]) -> NDArray[Any]:
        """Straight colors in [0, 1] as a file takes them."""
        return levels(straight, 16)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_folder_made(self._folder))
            temporaries = stack.enter_context(replaced_files(self.paths, overwrite=self._overwrite))
            self._files = [
                stack.enter_context(self._opened(temporary, path))
                for temporary, path in zip(temporaries, self.paths, strict=True)
            ]
            self._threads = stack.enter_context(ThreadPoolExecutor(min(len(self.paths), os.cpu_count() or 1)))
            self._stack = stack.pop_all()
        return self

    def _write_layers(self, layers: NDArray[np.float32], top: int = 0, where: str = "") -> None:
        """Hands (K, h, W, 4) on, premultiplied; ``top`` and ``where`` are for messages."""

        def write(number: int) -> None:
            straight = straight_layer(
                layers[number],
                self._palette[number],
                path=self.paths[number],
                name=f"layer {number + 1}{where}",
                top=top,
                kind=self.KIND,
                clip=self._clip,
            )
            self._files[number].write(self._stored(straight))

        # Packing and encoding release the interpreter's lock, so the layers are packed side by side.
        for _ in self._threads.map(write, range(len(layers))):
            pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._check_whole()
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        self._stack.__exit__(kind, error, trace)


class PictureFolder(LayerFolder):
    """Writes layers strip by strip into ``stem.layer1.png`` … of 16 bits, straight, sRGB.

    Memory does not grow with the height. Equal calls give equal bytes. Added up, the files give the picture to within
    (K + 1) / 131070: each color and each alpha is rounded once.

    Args:
        folder: where the files go; made if it is missing.
        stem: the picture's name.
        height: rows of the picture.
        width: its columns.
        palette_rgb: (K, 3) sRGB in [0, 1]; the color of a layer where its alpha is 0.
        frame: the frame number as it stands in a sequence's file names: ``stem.layer1.1001.png``.
        metadata: text to store in each file, by name.
        clip: clamp what lies outside [0, 1] instead of raising.
        overwrite: replace existing files.
    """

    SUFFIX: ClassVar[str]

    def __init__(
        self,
        folder: str | Path,
        stem: str,
        *,
        height: int,
        width: int,
        palette_rgb: NDArray[Any],
        frame: str = "",
        metadata: Mapping[str, str] | None = None,
        clip: bool = False,
        overwrite: bool = False,
    ) -> None:
        numbered = f".{frame}" if frame else ""
        names = [f"{stem}.layer{n}{numbered}{self.SUFFIX}" for n in range(1, len(palette_rgb) + 1)]
        super().__init__(folder, names, palette_rgb, clip=clip, overwrite=overwrite)
        self._height, self._width, self._metadata = height, width, dict(metadata or {})

    def __enter__(self) -> Self:
        self._strips = Strips(len(self.paths), self._height, self._width)
        return super().__enter__()

    def write(self, top: int, layers: NDArray[np.float32]) -> None:
        """Writes the next rows.

        Args:
            top: the first row; strips come strictly from top to bottom.
            layers: (K, h, W, 4) float32, premultiplied, in sRGB.

        Raises:
            RangeError, OutputError: see the class.
        """
        for first, rows in self._strips.blocks(top, layers):
            self._write_layers(rows, first)

    def _check_whole(self) -> None:
        self._strips.check_whole()


@contextmanager
def _folder_made(folder: Path) -> Iterator[None]:
    """Makes a folder, and takes back what it made if the block raises and nothing else has come into it."""
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    make_folder(folder)
    try:
        yield
    except BaseException:
        for part in made:
            with suppress(OSError):
                part.rmdir()
        raise
