"""The errors a user can meet. Each says what was given, what is allowed and what to do."""

from __future__ import annotations


class FscsError(Exception):
    """Base of every error that is the user's to cure.

    Args:
        message: what is wrong; names the file, flag or color.
        cure: what to do about it.

    Attributes:
        code: a stable word for programs (hosts show the message, scripts compare the code).
        exit_code: what the command line ends with.
    """

    code = "error"
    exit_code = 2

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}: {self.cure}" if self.cure else self.message


class UsageError(FscsError):
    """A parameter is out of its range or does not go with the others."""

    code = "usage"


class InputError(FscsError):
    """A file or picture that can't be used: missing, broken, of a kind that is not read."""

    code = "input"


class PaletteError(FscsError):
    """A palette that can't be used: too many colors, a color out of [0, 1], an unreadable file."""

    code = "palette"


class ColorSpaceError(FscsError):
    """A working space or OpenColorIO config that is unknown or can't be read."""

    code = "color-space"


class NonFiniteError(InputError):
    """The picture holds NaN or infinity."""

    code = "non-finite"


class RangeError(FscsError):
    """A value does not fit the output format and clipping was not asked for."""

    code = "range"


class OutputError(FscsError):
    """An output that exists already or can't be written."""

    code = "output"


class WeightsError(FscsError):
    """Weights that are missing, of another shape, or not the ones whose hash is known."""

    code = "weights"


class DeviceError(FscsError):
    """The device or precision asked for is not on this machine."""

    code = "device"


class ProcessError(FscsError):
    """One of several processes ended before its work was done."""

    code = "process"
    exit_code = 1


class CancelledError(FscsError):
    """The user cancelled; nothing was written."""

    code = "cancelled"
    exit_code = 130
