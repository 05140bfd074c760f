"""Look files: the edits of an image's layers as TOML, by the number of a layer or by its name in the palette.

::

    version = 1
    strength = 1.0
    opacity_shows = "others"

    [layers.3]
    color = "#3366ff"

    [layers."red cup"]
    hue = 40.0
    gain = [1.1, 1.0, 0.9]

A file holds only what was set, under the names of :data:`fscs_engine.host.edits.EDIT_PARAMETERS`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, UsageError
from ..files.atomic import replaced_file
from ..host import look_files
from ..host.edits import Look
from ..host.look_files import LARGEST, look_of_table, text_of_look
from ..host.protocol import WorkerError
from ..palette.palette import Palette


@dataclass(frozen=True)
class NamedLook(look_files.NamedLook):
    """:class:`fscs_engine.host.look_files.NamedLook` with the errors of the engine.

    Raises:
        UsageError: a parameter that is not known, or a value that it does not take.
    """

    def __post_init__(self) -> None:
        with _usage_errors():
            super().__post_init__()

    def look(self, palette: Palette) -> Look:
        """The look for the layers of a palette.

        Raises:
            UsageError: a layer that is not there, a name that several have, or one layer by its number and by its name.
        """
        with _usage_errors():
            return self.of_layers([color.name for color in palette])


def layer_number(key: int | str, palette: Palette) -> int:
    """The number of a layer, counted from 1, that is given by its number or by its name in the palette.

    Raises:
        UsageError: it is not there, or several have the name.
    """
    with _usage_errors():
        return look_files.layer_number(key, [color.name for color in palette])


def read_look(path: str | Path) -> NamedLook:
    """Reads a look file.

    Raises:
        InputError: missing, not TOML, of another version, or with a parameter or value that can't be; names the file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})", cure="check the look file") from error
    if len(data) > LARGEST:
        raise InputError(f"{path}: is too large for a look", cure="save it again with --save-look")
    try:
        table = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text", cure="save it as UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not TOML ({error})", cure="correct that line") from error
    try:
        with _usage_errors():
            return look_of_table(table, NamedLook)
    except UsageError as error:
        raise InputError(f"{path}: {error.message}", cure=error.cure) from error


def save_look(path: str | Path, look: Look, palette: Palette, *, overwrite: bool = False) -> None:
    """Writes a look file with a comment for each layer. Equal looks give equal bytes.

    Raises:
        OutputError: the file exists and ``overwrite`` is False, or it can't be written.
    """
    path = Path(path)
    with replaced_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(look_text(look, palette).encode("utf-8"))


def look_text(look: Look, palette: Palette) -> str:
    """A look as the text of a look file."""
    return text_of_look(look, [f"{color.name} {color.hex}" for color in palette.colors])


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turns what the code that hosts share raises into a UsageError."""
    try:
        yield
    except WorkerError as error:
        raise UsageError(error.message, cure=error.cure) from error
