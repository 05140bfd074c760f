"""``fscs recolor``: edits the colours of layers and adds them up (the paper's application)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, UsageError
from . import delivery, options
from .progress import Progress
from .report import peak_rss_bytes, print_json, print_outputs

if TYPE_CHECKING:
    from ..files.exr import LayeredFile
    from ..palette import Palette

_NEW_COLOR = re.compile(r"\s*(\d+)\s*=\s*(#?[0-9a-fA-F]{3,6})\s*")
_HUE = re.compile(r"\s*(\d+)\s*:\s*hue\s*=\s*([-+0-9.eE]+)\s*")


@dataclass(frozen=True)
class LayerEdit:
    """What happens to a layer (from 1): it gets a new colour, or its hue is turned by degrees."""

    layer: int
    color: str = ""
    hue: float = 0.0


def parse_edit(text: str) -> LayerEdit:
    """Reads ``3=#3366ff`` or ``5:hue=40``.

    Raises:
        UsageError: another form.
    """
    if match := _NEW_COLOR.fullmatch(text):
        return LayerEdit(int(match[1]), color=match[2])
    if match := _HUE.fullmatch(text):
        try:
            return LayerEdit(int(match[1]), hue=float(match[2]))
        except ValueError:
            pass
    raise UsageError(f"--set {text!r} is not an edit", cure="write it as 3=#3366ff or 5:hue=40")
