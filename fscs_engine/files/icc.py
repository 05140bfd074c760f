"""ICC profiles: what the numbers of a photograph mean, by LittleCMS, in float."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..color import LIN_REC709, SRGB, ColorSpaces
from .primaries import xyz_d50_to_rec709

RGB, GRAY = "RGB", "GRAY"

_RELATIVE = 1  # the intent: white is white, colors that the screen lacks are not moved
_SAME = 0.6 / 255  # two sRGB profiles differ by less
_WHOLE = 0.01  # of a level: float32 holds a level of 16 bits to within 0.004
_HEADER = 128
_TABLES = (b"A2B0", b"A2B1", b"D2B0", b"D2B1")
_ROWS = 256


class ProfileError(ValueError):
    """A profile that is damaged or of another kind; says which."""


@dataclass(frozen=True)
class IccProfile:
    """A profile as a file carries it.

    Attributes:
        data: its bytes.

    Raises:
        ProfileError: damaged, or of a device that has no RGB or gray.
    """

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) < _HEADER + 4 or self.data[36:40] != b"acsp":
            raise ProfileError("it is damaged")
        if int.from_bytes(self.data[:4]) > len(self.data):
            raise ProfileError("it is cut off")
        if self.kind not in (RGB, GRAY):
            raise ProfileError(f"it is of {self.kind}")
        probe = self._linear(self._probe)
        if not np.isfinite(probe).all() or np.ptp(probe) < 1e-3:
            raise ProfileError("it is damaged")

    @property
    def kind(self) -> str:
        """The device's colors: "RGB", "GRAY", "CMYK", …."""
        return self.data[16:20].decode("latin-1").strip()

    @cached_property
    def name(self) -> str:
        """Its description."""
        from PIL import ImageCms

        try:
            text = ImageCms.ImageCmsProfile(io.BytesIO(self.data)).profile.profile_description
        except (OSError, ValueError):
            text = ""
        return " ".join("".join(c for c in text or "" if c.isprintable()).split())[:80] or "without a name"

    @cached_property
    def is_srgb(self) -> bool:
        """Whether values are sRGB as they are; the many profiles of sRGB differ in their rounding."""
        return bool(np.abs(_encoded(self.to_linear(self._probe, 0)) - self._probe).max() < _SAME)

    def to_linear(self, rgb: NDArray[np.float32], levels: int) -> NDArray[np.float32]:
        """The colors in linear Rec.709, relative to white; those outside of its gamut are negative or above 1.

        Args:
            rgb: (H, W, 3) straight, as in the file; of a gray profile the three are equal.
            levels: the largest integer that 1 stands for in the file, 0 for floats. Colors between or beyond the
                levels, as those that an alpha was taken out of, are not rounded to them.
        """
        out = np.empty(rgb.shape, np.float32)
        tables = self._by_level(levels) if levels and not self._has_tables else None
        for top in range(0, len(rgb), _ROWS):
            rows = rgb[top : top + _ROWS]
            numbers = None if tables is None else _whole_levels(rows, levels)
            if tables is None or numbers is None:
                out[top : top + _ROWS] = self._linear(rows)
                continue
            out[top : top + _ROWS] = tables[0][numbers[..., 0]]
            for channel in range(1, len(tables)):
                out[top : top + _ROWS] += tables[channel][numbers[..., channel]]
        return out

    @property
    def _probe(self) -> NDArray[np.float32]:
        """Colors to try it with: (N, 1, 3), grays and, of RGB, others."""
        gray = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[:, None], 3, axis=1)
        axis = np.linspace(0, 1, 5, dtype=np.float32)
        cube = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
        return (np.concatenate([gray, cube]) if self.kind == RGB else gray)[:, None]

    @property
    def _has_tables(self) -> bool:
        count = int.from_bytes(self.data[_HEADER : _HEADER + 4])
        listed = self.data[_HEADER + 4 : _HEADER + 4 + 12 * min(count, 1000)]
        return any(listed[at : at + 4] in _TABLES for at in range(0, len(listed), 12))

    def _by_level(self, levels: int) -> list[NDArray[np.float32]]:
        """What each level of each channel adds: of curves and a matrix, the light of the three adds up."""
        ramp = np.linspace(0, 1, levels + 1, dtype=np.float32)
        if self.kind == GRAY:
            return [self._linear(np.repeat(ramp[:, None], 3, axis=1)[:, None])[:, 0]]
        black = self._linear(np.zeros((1, 1, 3), np.float32))[0, 0]
        found = []
        for channel in range(3):
            alone = np.zeros((levels + 1, 1, 3), np.float32)
            alone[:, 0, channel] = ramp
            found.append(self._linear(alone)[:, 0] - (black if channel else 0))
        return found

    def _linear(self, rgb: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            from imagecodecs import CmsError, cms_transform
        except ImportError as error:  # an older installation
            raise ProfileError("the package imagecodecs is missing") from error
        device = rgb if self.kind == RGB else np.ascontiguousarray(rgb[..., :1])
        try:
            xyz: Any = cms_transform(
                np.ascontiguousarray(device),
                self.data,
                _xyz_profile(),
                colorspace="rgb" if self.kind == RGB else "gray",
                outcolorspace="xyz",
                outdtype="float32",
                intent=_RELATIVE,
            )
        except (CmsError, ValueError) as error:
            raise ProfileError("it is damaged") from error
        linear: NDArray[np.float32] = (xyz.reshape(-1, 3) @ xyz_d50_to_rec709().T).astype(np.float32)
        return linear.reshape(*rgb.shape[:-1], 3)


def _whole_levels(rgb: NDArray[np.float32], levels: int) -> NDArray[np.intp] | None:
    """The levels that colors are; None unless all of them are levels of the file."""
    scaled = rgb * np.float32(levels)
    whole = np.rint(scaled)
    with np.errstate(invalid="ignore"):
        found = (np.abs(scaled - whole) <= _WHOLE) & (whole >= 0) & (whole <= levels)
    return whole.astype(np.intp) if found.all() else None


@lru_cache(maxsize=1)
def _spaces() -> ColorSpaces:
    return ColorSpaces()


def _encoded(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    return _spaces().convert(linear, LIN_REC709, SRGB)


@lru_cache(maxsize=1)
def _xyz_profile() -> bytes:
    from imagecodecs import cms_profile

    return bytes(cms_profile("xyz"))


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """An ICC profile of sRGB for outputs, without the time it was made at."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 1980, 1, 1, 0, 0, 0)
    return bytes(profile)
