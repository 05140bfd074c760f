# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controls of a node say: its palette, its values, its masked layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import cache, recoloring, strings, views
from .fscs.key import RESULT_PARAMETERS, canonical_json, canonical_number
from .properties import layer_values, palette_document


def palette_of(node: Any) -> dict[str, Any]:
    """The colors of a node that were chosen or found. Where some are missing, those that the cache was filled with."""
    own = palette_document(node, found_only=True)
    if len(own["colors"]) < node.colors:
        kept = cache.kept_palette(node)
        if kept is not None and len(kept["colors"]) == node.colors and _begins_with(kept, own):
            return kept
    return own


def masked_layers(node: Any) -> tuple[int, ...]:
    """The layers that the mask works on. Raises WorkerError if they don't fit its mode; see :func:`mark_masked`."""
    layers = tuple(number for number, entry in enumerate(node.palette, 1) if entry.masked)
    if node.mask_mode == "split" and len(layers) < 2:
        raise strings.error("usage", strings.SPLIT_NEEDS_TWO)
    if not layers:
        raise strings.error("usage", strings.NOTHING_MASKED)
    return layers[:2] if node.mask_mode == "split" else layers


def mark_masked(node: Any) -> None:
    """Marks as many of the first layers as the mask needs, where the artist marked none."""
    if not any(entry.masked for entry in node.palette):
        for entry in list(node.palette)[: 2 if node.mask_mode == "split" else 1]:
            entry.masked = True


def single_values(node: Any) -> dict[str, float]:
    """The alpha processing that all layers share, by the names of the parameter table."""
    return {name: getattr(node, name) for name in RESULT_PARAMETERS if hasattr(node, name)}


def described(node: Any, frame: int) -> str:
    """What decides the passes of a node at a frame but for what flows into it; the same in every session."""
    return canonical_json(
        {
            "palette": [[canonical_number(value) for value in color["rgb"]] for color in palette_of(node)["colors"]],
            "values": {name: canonical_number(value) for name, value in single_values(node).items()},
            "layers": {
                name: {str(layer): canonical_number(value) for layer, value in values.items()}
                for name, values in layer_values(node).items()
            },
            "chosen": [node.model, node.precision, node.clean_nonfinite, node.mask_mode, node.pass_mode],
            "view": repr((node.view, node.view_layer, node.error_gain)) if views.shown(node) else "",
            "edits": repr(recoloring.look_of(node, frame)) if recoloring.shown(node) else "",
            "masked": [entry.masked for entry in node.palette],
        }
    )


def _begins_with(palette: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    return all(color["rgb"] == kept["rgb"] for color, kept in zip(own["colors"], palette["colors"], strict=False))
