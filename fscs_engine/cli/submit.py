"""``fscs submit``: a shot as a job for render farms."""

from __future__ import annotations

import inspect
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, UsageError
from . import options
from .palette import palette as find_palette
from .preset import PresetFlag, over_preset

if TYPE_CHECKING:
    from ..shots.farm import Flag

FARM_PANEL = "Farm"


@options.takes(*options.FLAGS)
def submit(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="The shot, as for fscs segment.")],
    *,
    output: Annotated[
        list[str],
        typer.Option(
            "-o",
            "--output",
            metavar="LAYERS.####.exr|FOLDER/",
            help="Where the farm writes the layers, as for fscs segment.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ],
    openjd: Annotated[
        Path,
        typer.Option(
            "--openjd",
            metavar="FOLDER/",
            help="Write the job into this folder, as an Open Job Description bundle.",
            rich_help_panel=FARM_PANEL,
        ),
    ],
    frames: Annotated[
        str,
        typer.Option(
            "--frames",
            metavar="RANGE",
            help="The frames, as in 1001-1100x2,1150. Without it: all frames that exist.",
            rich_help_panel=FARM_PANEL,
        ),
    ] = "",
    chunk: Annotated[
        int,
        typer.Option(
            "--chunk",
            metavar="FRAMES",
            min=1,
            help="How many frames a task does.",
            rich_help_panel=FARM_PANEL,
        ),
    ] = 10,
    palette_frames: Annotated[
        str,
        typer.Option(
            "--palette-frames",
            metavar="RANGE",
            show_default="--frames",
            help="The frames the palette is found in. To do some frames of a shot again, name the whole shot here.",
            rich_help_panel=FARM_PANEL,
        ),
    ] = "",
    executable: Annotated[
        str,
        typer.Option(
            "--executable",
            metavar="FSCS",
            help="The command that starts fscs on the farm.",
            rich_help_panel=FARM_PANEL,
        ),
    ] = "fscs",
    missing: Annotated[
        str,
        typer.Option(
            "--missing",
            metavar="error|skip",
            help="What to do if a frame does not exist. error: stop. skip: leave it out of the job.",
            rich_help_panel=FARM_PANEL,
        ),
    ] = "error",
    no_check: Annotated[
        bool,
        options.switch(
            "--no-check", "Do not check if the files exist. For disks that only the farm can see.", FARM_PANEL
        ),
    ] = False,
    overwrite: Annotated[bool, options.switch("--overwrite", "Replace a bundle that exists.", FARM_PANEL)] = False,
    preset: PresetFlag = None,
    **look: Any,
) -> None:
    """Writes a job that segments a shot on a render farm.

    The first step finds the palette; each task of the second does some frames. The flags that change the layers are
    those of [bold]fscs segment[/bold].

    [bold]Example[/bold]

    fscs submit plate.####.exr -o layers.####.exr --openjd job/ --frames 1001-1100 -k 5
    """
    from ..shots.farm import FarmJob, write_bundle

    if missing not in ("error", "skip"):
        raise UsageError(f"--missing {missing!r} is not known", cure="use error or skip")
    look |= {name: over_preset(preset, name, look[name]) for name in options.PER_LAYER}
    given = _given_flags(context, look)
    palette, palette_flags = _palette(look["palette"], look["colors"], given)
    plan = _plan(source, output, look, frames, palette_frames, check=not no_check, skip=missing == "skip")
    job = FarmJob(
        source=plan.source,
        outputs=plan.outputs,
        frames=plan.frames,
        shot=plan.shot,
        flags=tuple(flag for name, flags in given.items() if name not in options.PALETTE_FLAGS for flag in flags),
        palette=palette,
        palette_flags=palette_flags,
        palette_name=plan.palette_name,
        frames_per_task=chunk,
        executable=executable,
    )
    files = write_bundle(openjd, job, overwrite=overwrite)
    checked = _checked_by_openjd(files[0])
    tasks = -(-len(plan.frames) // chunk)
    print(f"wrote {files[0]}: {_count(len(plan.frames), 'frame')} in {_count(tasks, 'task')}{checked}")
    if plan.note:
        print(plan.note)
    template, _, values = (file.absolute() for file in files)
    print("on this computer:   " + shlex.join(["openjd", "run", str(template), "-p", f"file://{values}"]))
    print("AWS Deadline Cloud: " + shlex.join(["deadline", "bundle", "submit", str(openjd.absolute())]))


@dataclass(frozen=True)
class _Plan:
    """What the farm shall read and write, in absolute paths, and which frames."""

    source: str
    outputs: tuple[str, ...]
    frames: tuple[int, ...]
    shot: tuple[int, ...]
    palette_name: str
    note: str


def _plan(
    source: str,
    output: Sequence[str],
    look: Mapping[str, Any],
    frames: str,
    shot_frames: str,
    *,
    check: bool,
    skip: bool,
) -> _Plan:
    """Looks at the frames and the outputs as ``fscs segment`` does.

    Raises:
        UsageError: no range, none where the frames can't be seen, an output that tasks can't write piece by piece.
        InputError: frames or masks that do not exist.
        OutputError: an output that can't be written.
    """
    from ..host.frames import format_frames
    from ..shots.frames import FramePattern, parse_frames, pattern_of_folder
    from ..shots.options import SegmentOptions
    from ..shots.outputs import Delivery, bare_name, check_delivery, palette_file, parse_output
    from ..shots.shots import open_shot, plan

    text = pattern_of_folder(Path(source)).text if Path(source).is_dir() else source
    layer_format = look.get("layer_format", "png")
    if layer_format in ("mov", "mkv"):
        raise UsageError("a farm can't write movies in chunks", cure="write frames, and make a movie from them")
    outputs = tuple(parse_output(place, layer_format) for place in output)
    for place in outputs:
        if not (place.is_folder or place.path.has_number):
            raise UsageError(
                f"-o {place.path.text}: each task writes frames of its own", cure="write it as layers.####.exr"
            )
    wanted = parse_frames(frames) if frames else None
    note = ""
    if check:
        space, alpha = look.get("input_space", options.AUTO), look.get("alpha", options.AUTO)
        shot = open_shot([Path(text)], views=options.view_names(look["views"]), input_space=space, alpha=alpha)
        if not shot.place(1, "").number:
            raise UsageError(f"{source} is one image", cure="name the frames by a pattern like plate.####.exr")
        todo, lost, gaps = plan(shot, wanted, "skip" if skip else "error")
        numbers = sorted({frame for frame, _ in todo} - {frame for frame, _ in lost + gaps})
        left_out = sorted({frame for frame, _ in lost + gaps})
        note = f"missing, and left out of the job: {format_frames(left_out)}" if left_out else ""
        delivery = Delivery(outputs, SegmentOptions(resume=True), shot.name)
        pairs = [(number, view) for number in numbers for view in shot.views]
        sources = [shot.source(*pair) for pair in pairs]
        check_delivery(delivery, sources, [shot.place(*pair) for pair in pairs])
        _check_masks(look["mask"] or (), numbers)
    elif wanted is None:
        raise UsageError(f"{source}: its frames can't be counted here", cure="name them, like --frames 1001-1100")
    else:
        numbers = list(wanted)
        delivery = Delivery(outputs, stem=bare_name(FramePattern(text)))
    return _Plan(
        source=_absolute(text),
        outputs=tuple(_absolute(place.path.text) + ("/" if place.is_folder else "") for place in outputs),
        frames=tuple(numbers),
        shot=parse_frames(shot_frames) if shot_frames else tuple(numbers),
        palette_name=palette_file(delivery).name,
        note=note,
    )


def _check_masks(masks: Sequence[Path], numbers: Sequence[int]) -> None:
    from ..host.frames import format_frames
    from ..shots.frames import FramePattern

    for mask in masks:
        pattern = FramePattern(str(mask))
        lost = [] if pattern.has_view else [number for number in numbers if not pattern.file(number).is_file()]
        if lost:
            raise InputError(f"{mask}: masks of the frames {format_frames(lost)} do not exist", cure="check --mask")


def _given_flags(context: typer.Context, look: Mapping[str, Any]) -> dict[str, list[Flag]]:
    """What was chosen of the flags of ``fscs segment``, by parameter, by hand or by a preset.

    Presets lie on the user's computer: the job carries what they say, not their names.
    """
    from ..shots.farm import Flag

    given: dict[str, list[Flag]] = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        is_default = source is None or source.name == "DEFAULT"
        if name not in look or (is_default and name not in options.PER_LAYER):
            continue
        flag = max(parameter.opts, key=len)
        values = look[name] if isinstance(look[name], (list, tuple)) else [look[name]]
        flags = [
            Flag(flag) if value is True else _flag(flag, name, str(value))
            for value in values
            if value is not None and value is not False
        ]
        if flags:
            given[name] = flags
    return given


def _flag(flag: str, name: str, value: str) -> Flag:
    """A flag, and whether its value is a file."""
    from ..shots.farm import Flag
    from ..shots.frames import is_pattern

    if name == "mask" and is_pattern(value):
        return Flag(flag, _absolute(value), "pattern")
    if name == "mask" or (name == "ocio" and not value.startswith(options.OCIO_SCHEME)):
        return Flag(flag, _absolute(value), "file")
    if name == "model" and Path(value).suffix == ".safetensors":
        return Flag(flag, _absolute(value), "file")
    return Flag(flag, value)


def _palette(
    source: str, colors: int | None, given: Mapping[str, Sequence[Flag]]
) -> tuple[Flag | None, tuple[Flag, ...]]:
    """The flag of a palette that is complete, or None and the flags by which ``fscs palette`` finds it.

    Raises:
        PaletteError: a palette that can't be read.
        UsageError: fewer colors than the palette has, or a file that is to be filled up.
    """
    from ..shots.farm import Flag

    known = options.given_palette(source)
    shared = inspect.signature(find_palette).parameters
    seek = tuple(flag for name, flags in given.items() if name in shared and name != "palette" for flag in flags)
    if known is None:
        return None, seek
    is_file = Path(source).is_file()
    if colors is None or colors == len(known):
        return Flag("--palette", _absolute(source) if is_file else source, "file" if is_file else "text"), ()
    if colors < len(known):
        raise UsageError(f"--palette has {len(known)} colors, but --colors is {colors}", cure="leave --colors out")
    if is_file:
        raise UsageError(
            f"{source} has {len(known)} of {colors} colors",
            cure="find the others first: fscs palette INPUT --lock COLORS -k K -o FILE",
        )
    return None, (*seek, Flag("--lock", source))


def _absolute(text: str) -> str:
    """A path as the farm needs it; links stay as they are, and so does a slash at the end."""
    return str(Path(text).absolute()) + ("/" if text.endswith(("/", os.sep)) else "")


def _checked_by_openjd(template: Path) -> str:
    """Has ``openjd check`` read the template, where openjd-cli is installed; returns a word on it.

    Raises:
        UsageError: it refuses the template.
    """
    places = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    program = shutil.which("openjd", path=places)
    if program is None:
        return ""
    command = [program, "check", str(template)]
    found = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    if found.returncode:
        raise UsageError(f"openjd refuses {template}: {found.stdout} {found.stderr}", cure="change what it names")
    return ", checked by openjd"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
