"""What the commands print on stdout: one JSON object, or a short table for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ..image import Reading
    from ..palette.palette import Palette


def print_json(result: Mapping[str, object]) -> None:
    """The one JSON object of ``--json``. Strictly JSON: a NaN is a mistake of ours, not a number."""
    print(json.dumps(result, ensure_ascii=False, allow_nan=False), flush=True)


def palette_rows(palette: Palette) -> list[dict[str, object]]:
    """``[{rgb, hex, name, locked}]`` in the palette's order."""
    return [{"rgb": list(color.rgb), "hex": color.hex, "name": color.name, "locked": color.locked} for color in palette]


def peak_rss_bytes() -> int:
    """The most memory this process has held so far."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def console() -> Console:
    """Where tables for people go: stdout, never wrapped when it is not a terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def print_palette(palette: Palette, coverage: Sequence[float] | None = None) -> None:
    """A line a layer: number, swatch, hex, name, and how much of the image it covers."""
    from rich.text import Text

    out = console()
    for number, color in enumerate(palette, 1):
        line = Text(f"  {number:>2}  ")
        if out.is_terminal:
            line.append("   ", style=f"on {color.hex}")
            line.append("  ")
        line.append(color.hex)
        if coverage is not None:
            line.append(f"  {coverage[number - 1]:6.1%}")
        if color.name:
            line.append(f"  {color.name}")
        if color.locked:
            line.append("  locked", style="dim")
        out.print(line)


def print_readings(readings: Sequence[tuple[Path, Reading | None]]) -> None:
    """A line on stderr for each thing in files that was not understood; the same of many frames is one line."""
    found: dict[str, list[Path]] = {}
    for path, reading in readings:
        for warning in () if reading is None else reading.warnings:
            found.setdefault(warning, []).append(path)
    for warning, paths in found.items():
        more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        print(f"fscs: warning: {paths[0]}{more}: {warning}", file=sys.stderr, flush=True)


def print_outputs(outputs: Sequence[Path]) -> None:
    """A line a file that was written; the layers of one folder are summed up."""
    folders: dict[Path, list[Path]] = {}
    for path in outputs:
        folders.setdefault(path.parent, []).append(path)
    for files in folders.values():
        layers = [file for file in files if ".layer" in file.name and file.suffix == ".png"]
        for file in files:
            if file not in layers:
                print(f"wrote {file}")
        if layers:
            more = f" … {layers[-1].name}" if len(layers) > 1 else ""
            print(f"wrote {len(layers)} PNG layer{'s' if more else ''}: {layers[0]}{more}")
