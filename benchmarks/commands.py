"""Which command measures which table, and how long it took: the list in ``README.md`` of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from claims import PAPER_TABLE
from parts import PARTS
from scaling import LIMITS, ROOF, WORK


@dataclass(frozen=True)
class Command:
    """A script with its arguments, the name of its results, the tables that show them, and the pictures it draws.

    ``rows`` are the results without which it is not done, where they are measured one by one over hours.
    """

    text: str
    results: str
    tables: tuple[str, ...]
    pictures: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


COMMANDS = (
    Command("kodak.py", "kodak", ("scores", "scores-any-palette", "scores-paper", "overview")),
    Command("truth.py", "truth", ("truth", "truth-any-palette", "matting", "overview")),
    Command("truth.py --fresh", "truth-fresh", ("truth-fresh", "truth-fresh-any-palette")),
    Command("curve.py", "curve", ("curve",), ("docs/softness.png",)),
    Command("video.py", "video", ("video",)),
    Command("ablations.py --runs FOLDER", "ablations", ("ablations",), rows=tuple(PAPER_TABLE)),
    Command("parts.py PHOTOGRAPHS", "parts", ("parts",), rows=PARTS),
    Command("scaling.py", "scaling", ("scaling", "speed-limits"), ("docs/scaling.png",), (WORK, ROOF, *LIMITS)),
    Command("speed.py", "speed", ("speed", "speed-limits")),
    Command("shots.py", "shots", ("shots", "packing", "files")),
    Command("variants.py", "variants", ("variants",)),
    Command("size.py", "size", ("size",)),
    Command("recolor.py", "recolor", ("recolor",)),
)


def table(read: Callable[[str], dict[str, Any] | None], places: Mapping[str, tuple[str, ...]]) -> str:
    """All commands as a table in Markdown, with the time that was measured.

    Args:
        read: gives the results of a name, or None where there are none.
        places: the tables of each document.
    """
    lines = ["| `python benchmarks/…` | what it writes | time |", "|---|---|---|"]
    total, open_commands = 0.0, []
    for command in COMMANDS:
        written = [f"`results/{command.results}.json`"]
        for document, names in places.items():
            own = [f"`{name}`" for name in command.tables if name in names]
            written += [f"{' and '.join(own)} in {document}"] if own else []
        written += [f"`{picture}`" for picture in command.pictures]
        results = read(command.results) or {}
        seconds = seconds_of(results) if set(command.rows) <= set(results) else None
        if seconds is None:
            open_commands.append(command)
        else:
            total += seconds
        told = "not measured yet" if seconds is None else f"{duration(seconds)}, {len(results)} results"
        lines.append(f"| `{command.text}` | {'; '.join(written)} | {told} |")
    done = len(COMMANDS) - len(open_commands)
    if not done:
        return "\n".join([*lines, "", "No results say yet how long a whole command took."])
    known = f"{duration(total)} for the {done} of {len(COMMANDS)} whose time is known"
    return "\n".join([*lines, "", f"The whole run takes {known if open_commands else duration(total)}."])


def seconds_of(results: Mapping[str, Any]) -> float | None:
    """What a whole command took; None where not every result says it."""
    if not results or any("wall_seconds" not in result for result in results.values()):
        return None
    return float(sum(result["wall_seconds"] for result in results.values()))


def duration(seconds: float) -> str:
    """For a reader: seconds, minutes, or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
