"""What decides the pixels of a result: its cache key, and what its file says about how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._version import __version__
from ..alpha.processing import ADJUSTMENTS, AlphaProcessing
from ..host.key import RESULT_PARAMETERS, cache_key, canonical_json, result_parameters
from ..host.naming import METADATA_PREFIX, mask_text
from ..host.sums import SUMS, sums_text
from ..palette.palette import Palette
from ..segmenter import Segmenter


@dataclass(frozen=True)
class Identity:
    """All that decides the pixels of a run but for the working space and depth, which are an output's own.

    Attributes:
        segmenter: the model, its precision, the OpenColorIO config.
        input_space: the color space of the picture.
        palette: the K colors.
        processing: the alpha processing.
        input_identity: sha256 of the input, of :func:`fscs_engine.host.key.file_identity` or ``pixels_identity``.
        input_layer: the layer of the file that was read.
        clean_nonfinite: whether NaN and infinity were cleaned.
        alpha: what was chosen for the colors of the input, ``auto``, ``straight`` or ``premultiplied``.
        converted: whether the file had its values converted into ``input_space``.
        read_as: what the values of the input were taken for, for people.
    """

    segmenter: Segmenter
    input_space: str
    palette: Palette
    processing: AlphaProcessing
    input_identity: str
    input_layer: str = ""
    clean_nonfinite: bool = False
    alpha: str = "auto"
    converted: bool = False
    read_as: str = ""

    @property
    def palette_text(self) -> str:
        """The palette as files say it, with the artist's names, which are in no key."""
        return json.dumps(self.palette.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def parameters(self, working_space: str, depth: str = "float") -> dict[str, object]:
        """The parameters in canonical form; ``depth`` as in :func:`fscs_engine.host.key.result_parameters`."""
        layers: Mapping[str, Mapping[int, float]] = {
            f"layer_{name}": {number: getattr(edit, name) for number, edit in self.processing.adjustments.items()}
            for name in ADJUSTMENTS
        }
        return result_parameters(
            {name: getattr(self.processing, name) for name in RESULT_PARAMETERS},
            layers,
            working_space=working_space,
            input_space=self.input_space,
            precision=self.segmenter.precision,
            input_layer=self.input_layer,
            clean_nonfinite=self.clean_nonfinite,
            ocio_identity=self.segmenter.spaces.identity,
            depth=depth,
            alpha=self.alpha,
            converted=self.converted,
        )

    def key(self, working_space: str, depth: str = "float") -> str:
        """The cache key of the layers in a working space, 64 hex digits."""
        masks: Sequence[Mapping[str, object]] = [
            {"mode": mask.mode, "layers": mask.layers, "identity": mask.identity} for mask in self.processing.masks
        ]
        return cache_key(
            weights_sha256=self.segmenter.weights_sha256,
            palette=self.palette.array.tolist(),
            parameters=self.parameters(working_space, depth),
            input_identity=self.input_identity,
            masks=masks,
        )

    def metadata(self, working_space: str, depth: str = "float") -> dict[str, str]:
        """The ``softcolor:`` attributes of an EXR: no time, host, user or path."""
        values = {
            "palette": self.palette_text,
            "model": self.segmenter.model_name,
            "working_space": working_space,
            "parameters": canonical_json(self.parameters(working_space, depth)),
            "version": __version__,
            "key": self.key(working_space, depth),
            "input": self.input_identity,
            SUMS: sums_text(self.palette.array.tolist(), self.parameters(working_space, depth)),
            "input_space": self.read_as or self.input_space,
        }
        if self.processing.masks:
            values["mask"] = mask_text([(mask.mode, mask.layers) for mask in self.processing.masks])
        return {METADATA_PREFIX + name: value for name, value in values.items()}


def depth_name(*, half: bool, clip: bool) -> str:
    """The ``depth`` of a layer file."""
    return ("half" if half else "float") + ("-clip" if clip else "")
