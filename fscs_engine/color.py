"""Color spaces, by OpenColorIO: what the networks see, and what layers are delivered in.

The networks see the sRGB encoding with Rec.709 primaries in [0, 1]: an encoding, never a view or tone map.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio
from numpy.typing import NDArray

from .errors import ColorSpaceError
from .host.key import file_identity
from .image import Image

SRGB = "srgb"
LIN_REC709 = "lin_rec709"
ACESCG = "acescg"
SCENE_LINEAR = "scene_linear"
AUTO = "auto"

_LARGEST = 1e30  # far beyond any picture, far below float32's end

_BUILT_IN = "ocio://default"
_CAMERAS = "ocio://studio-config-latest"
"""A built-in config with the log spaces of cameras, for names that the others lack."""

_LINEAR = "scene-linear"
_UNSAID_CURVE = "curve"
"""Our own word for a space that is not linear and does not say whether it is of a display or a camera's log."""

_CODED = ("sdr-video", "hdr-video", "edr-video", "log", _UNSAID_CURVE)
_NAMES = {SRGB: "sRGB Encoded Rec.709 (sRGB)", LIN_REC709: "Linear Rec.709 (sRGB)", ACESCG: "ACEScg"}
"""Our names and theirs in the built-in config."""


class ColorSpaces:
    """Conversions between `srgb`, `lin_rec709`, `acescg` and the names of an OpenColorIO config.

    Args:
        config: an OpenColorIO config file, an ``ocio://`` name, or None for the built-in one. ``srgb``,
            ``lin_rec709`` and ``acescg`` always mean those of the built-in config; a config reaches them
            through its interchange roles.

    Raises:
        ColorSpaceError: the config can't be read.
    """

    def __init__(self, config: str | Path | None = None) -> None:
        self.built_in = ocio.Config.CreateFromFile(_BUILT_IN)
        self.config = self.built_in
        self.identity = ""
        """For the cache key: empty for the built-in config, else its ``ocio://`` name or sha256. The look-up tables
        that a config names are not part of it."""
        if config is not None:
            try:
                self.config = ocio.Config.CreateFromFile(str(config))
                self.identity = str(config) if str(config).startswith("ocio://") else file_identity(config)
            except (ocio.Exception, ocio.ExceptionMissingFile, OSError) as error:
                raise ColorSpaceError(f"{config}: {_first_line(error)}", cure="name a readable .ocio config") from error

    @property
    def names(self) -> list[str]:
        """Every name that can be given: ours first, then the config's."""
        return [*_NAMES, *self.config.getColorSpaceNames()]

    def check(self, name: str) -> str:
        """Returns the name as it is used everywhere: one of ours, or the config's canonical one.

        Raises:
            ColorSpaceError: unknown name.
        """
        if name in _NAMES:
            return name
        config, canonical = self._find(name)
        for ours, theirs in _NAMES.items():
            if config is self.built_in and canonical == theirs:
                return ours
        return canonical

    def is_display_referred(self, name: str) -> bool:
        """Whether values of this space are encoded for the eye, so that colors belong into [0, 1].

        Raises:
            ColorSpaceError: unknown name.
        """
        return self._encoding(name) == "sdr-video"

    def is_linear(self, name: str) -> bool:
        """Whether values of this space are proportional to light.

        Raises:
            ColorSpaceError: unknown name.
        """
        return self._encoding(name) == _LINEAR

    def is_coded(self, name: str) -> bool:
        """Whether values of this space are known to be coded by a curve, for a display or as a camera's log.

        Raises:
            ColorSpaceError: unknown name.
        """
        return self._encoding(name) in _CODED

    def is_data(self, name: str) -> bool:
        """Whether a space stands for numbers that are no colors.

        Raises:
            ColorSpaceError: unknown name.
        """
        config, canonical = self._find(name)
        return bool(config.getColorSpace(canonical).isData())

    @lru_cache(maxsize=64)  # noqa: B019  # one instance a run
    def _encoding(self, name: str) -> str:
        """What a space says of its values; where it does not, as in all configs of version 1, what its transforms do.

        Empty for numbers that are no colors, and where the files of a transform can't be read.
        """
        config, canonical = self._find(name)
        space = config.getColorSpace(canonical)
        said = str(space.getEncoding())
        if said or space.isData():
            return said
        try:
            linear = config.isColorSpaceLinear(canonical, ocio.REFERENCE_SPACE_SCENE)
        except (ocio.Exception, ocio.ExceptionMissingFile):
            return ""
        return _LINEAR if linear else _UNSAID_CURVE

    @cached_property
    def _cameras(self) -> ocio.Config:
        return ocio.Config.CreateFromFile(_CAMERAS)

    def _find(self, name: str) -> tuple[ocio.Config, str]:
        """The config that knows a name or role, and the canonical name there: ours, the user's, the built-in ones."""
        if name in _NAMES:
            return self.built_in, _NAMES[name]
        for config in (self.config, self.built_in):
            space = config.getColorSpace(name)
            if space is not None:
                return config, str(space.getName())
        space = self._cameras.getColorSpace(name)
        if space is not None:
            return self._cameras, str(space.getName())
        known = [*self.names, *self._cameras.getColorSpaceNames()]
        near = difflib.get_close_matches(name, known, 1) or [each for each in known if name.lower() in each.lower()]
        raise ColorSpaceError(
            f"unknown color space {name!r}",
            cure=(f"did you mean {near[0]}? Or " if near else "")
            + f"use one of {', '.join(_NAMES)}, or a name of the OpenColorIO config "
            f"({', '.join(list(self.config.getColorSpaceNames())[:6])}, …)",
        )

    def convert(self, rgb: NDArray[np.float32], source: str, target: str) -> NDArray[np.float32]:
        """Converts colors.

        Args:
            rgb: (..., 3) float32, straight.
            source: the space it is in.
            target: the space asked for.

        Returns:
            (..., 3) float32; ``rgb`` itself where both spaces are the same, else a new array.

        Raises:
            ColorSpaceError: unknown name, or the config can't convert between the two.
        """
        source, target = self.check(source), self.check(target)
        if source == target:
            return rgb
        out = np.array(rgb, dtype=np.float32, order="C")
        self._processor(source, target).applyRGB(out)
        return out

    @lru_cache(maxsize=64)  # noqa: B019  # one instance a run
    def _processor(self, source: str, target: str) -> ocio.CPUProcessor:
        (source_config, source_name), (target_config, target_name) = self._find(source), self._find(target)
        try:
            if source_config is target_config:
                processor = source_config.getProcessor(source_name, target_name)
            else:
                processor = ocio.Config.GetProcessorFromConfigs(source_config, source_name, target_config, target_name)
        except (ocio.Exception, ocio.ExceptionMissingFile) as error:
            raise ColorSpaceError(
                f"no conversion from {source!r} to {target!r}: {_first_line(error)}",
                cure="use a config with interchange roles, or other color spaces",
            ) from error
        return processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["can't be read"])[0]


def straight(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colors c without their alpha: RGB/A where A > 0, RGB elsewhere (additive fire and glows).

    Args:
        pixels: (..., 3 or 4) premultiplied.

    Returns:
        (..., 3). Where RGB/A would be above 1e30, RGB.
    """
    rgb = pixels[..., :3]
    if pixels.shape[-1] == 3:
        return rgb
    divisor = association(pixels)[..., None]
    return np.divide(rgb, divisor)


def association(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What c is multiplied by to give the premultiplied RGB: A where A > 0 and RGB/A ≤ 1e30, else 1. (...)."""
    if pixels.shape[-1] == 3:
        return np.ones(pixels.shape[:-1], np.float32)
    alpha = pixels[..., 3]
    with np.errstate(all="ignore"):
        held = (np.abs(pixels[..., :3] / alpha[..., None]) <= _LARGEST).all(axis=-1)
    return np.where((alpha > 0) & held, alpha, np.float32(1))


def in_space(image: Image, space: str, spaces: ColorSpaces) -> Image:
    """The same picture in another color space, premultiplied as before; ``image`` itself where it is in it already.

    Raises:
        ColorSpaceError: unknown name.
    """
    if spaces.check(space) == spaces.check(image.color_space):
        return image
    pixels = image.pixels.copy()
    converted = spaces.convert(straight(image.pixels), image.color_space, space)
    pixels[..., :3] = converted * association(image.pixels)[..., None]
    attributes = {name: value for name, value in image.attributes.items() if name != "chromaticities"}
    return replace(image, pixels=pixels, color_space=space, attributes=attributes)


def network_image(
    color: NDArray[np.float32], space: str, spaces: ColorSpaces
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the networks see of straight colors, and how much brighter the colors really are.

    Negative values become 0. A pixel whose largest linear Rec.709 channel m is above 1 is divided by m: the
    networks see its hue and saturation at full brightness, continuously, and pixels within [0, 1] are left as
    they are, so a photograph gives the same layers whatever space it comes in.

    Args:
        color: (H, W, 3) straight, in ``space``.
        space: its color space.
        spaces: for the conversions.

    Returns:
        (H, W, 3) sRGB in [0, 1], and the gain (H, W) ≥ 1 that was taken out.
    """
    if space == SRGB and not (color > 1).any():
        return np.clip(color, 0.0, 1.0), np.ones(color.shape[:-1], np.float32)
    linear = _visible_light(color, space, spaces)
    gain = np.maximum(linear.max(axis=-1), np.float32(1.0))
    linear /= gain[..., None]
    encoded = spaces.convert(linear, LIN_REC709, SRGB)
    return np.clip(encoded, 0.0, 1.0), gain


def highlight_gain(color: NDArray[np.float32], space: str, spaces: ColorSpaces) -> NDArray[np.float32]:
    """The gain of :func:`network_image` alone. (H, W, 3) → (H, W) ≥ 1."""
    if space == SRGB and not (color > 1).any():
        return np.ones(color.shape[:-1], np.float32)
    return np.maximum(_visible_light(color, space, spaces).max(axis=-1), np.float32(1.0))


def _visible_light(color: NDArray[np.float32], space: str, spaces: ColorSpaces) -> NDArray[np.float32]:
    """Linear Rec.709 without negative and infinite values, in an array of its own."""
    linear = np.nan_to_num(spaces.convert(color, space, LIN_REC709), nan=0.0, posinf=_LARGEST, neginf=0.0)
    return np.clip(linear, 0.0, _LARGEST, out=linear)


def layer_colors(
    colors: NDArray[np.float32], gain: NDArray[np.float32], target: str, spaces: ColorSpaces
) -> NDArray[np.float32]:
    """Takes layer colors from the networks' space to the working space, made brighter where the picture was.

    Args:
        colors: (K, H, W, 3) sRGB in [0, 1].
        gain: (H, W) from :func:`network_image`: without it a highlight would spread into every layer.
        target: the working space.
        spaces: for the conversions.

    Returns:
        (K, H, W, 3) float32 in the working space.
    """
    bright = bool((gain > 1).any())
    if target == SRGB and not bright:
        return colors
    linear = spaces.convert(colors, SRGB, LIN_REC709)
    if bright:
        linear *= gain[..., None]
    return spaces.convert(linear, LIN_REC709, target)


def resolve(asked: str, image_space: str, display: bool, spaces: ColorSpaces) -> str:
    """The working space of an output.

    Args:
        asked: ``auto``, ``scene_linear`` or a name.
        image_space: the input's color space.
        display: whether the output is a display-referred format (PNG), which says of itself that it is sRGB.
        spaces: the names there are.

    Raises:
        ColorSpaceError: unknown name.
    """
    own_linear = LIN_REC709 if spaces.is_coded(image_space) else spaces.check(image_space)
    space = own_linear if asked in (AUTO, SCENE_LINEAR) else spaces.check(asked)
    return SRGB if display else space
