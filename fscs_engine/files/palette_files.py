"""Palette files as palettes; see :mod:`fscs_engine.host.palette_codec` for the formats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import PaletteError
from ..host import palette_codec
from ..palette.palette import Palette, palette_errors
from .atomic import replaced_file


def read_palette(path: str | Path) -> Palette:
    """Reads a palette file; see :mod:`fscs_engine.host.palette_codec`.

    Args:
        path: the ending decides the format.

    Raises:
        PaletteError: missing, of another ending, broken, or not 1 to 16 colors; names the file.
    """
    with palette_errors():
        return Palette.from_dict(palette_codec.read_palette(path))


def found_by(path: str | Path) -> dict[str, object]:
    """How the palette in a JSON file was found, as :func:`write_palette` was told; empty where it does not say.

    Args:
        path: a file that :func:`read_palette` reads.
    """
    found = None
    with suppress(ValueError):  # of an encoding that JSON does not have
        found = json.loads(Path(path).read_bytes()).get("found")
    return dict(found) if isinstance(found, Mapping) else {}


def named_palette(text: str) -> Palette:
    """The colors that a user names: ``"#aabbcc,#112233"``, the file they are in, or an address that holds them.

    Raises:
        PaletteError: a color or file that can't be used.
    """
    address = palette_codec.colors_of_address(text)
    if address is not None:
        return Palette.from_hex(address)
    if Path(text).suffix.lower() in palette_codec.ENDINGS or ("," not in text and Path(text).is_file()):
        return read_palette(Path(text))
    if "#" not in text and ("/" in text or Path(text).suffix):
        raise PaletteError(f"there is no file {text}", cure="check the path, or write colors as #aabbcc,#112233")
    return Palette.from_hex(text)


def write_palette(
    path: str | Path, palette: Palette, *, overwrite: bool = False, found: Mapping[str, object] | None = None
) -> None:
    """Writes a palette file, the whole file or none.

    JSON keeps everything; see :mod:`fscs_engine.host.palette_codec` for the other formats.

    Args:
        path: the ending decides the format.
        palette: what to write.
        overwrite: whether a file that exists is replaced.
        found: how it was found, for people and :func:`found_by`; only JSON holds it.

    Raises:
        PaletteError: an ending that is not one of these.
        OutputError: the file exists and ``overwrite`` is False, or it can't be written.
    """
    with palette_errors():
        ending = palette_codec.check_ending(Path(path))
    content = palette_codec.encoded({**palette.to_dict(), **({"found": dict(found)} if found else {})}, ending)
    with replaced_file(path, overwrite=overwrite) as temporary:
        Path(temporary).write_bytes(content)
