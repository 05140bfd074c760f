"""``fscs recolor``: edits the colors of an image's layers (the paper's application), of one image or of a shot."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CancelledError, UsageError
from ..host.edits import EDIT_BY_NAME, EDIT_PARAMETERS
from . import options, pictures
from .exit_codes import SOME_FAILED
from .printing import palette_rows, peak_rss_bytes, print_json, print_outputs
from .progress import AUTO, Progress

if TYPE_CHECKING:
    from ..color import ColorSpaces
    from ..host.edits import Look
    from ..palette.palette import Palette
    from ..recolor.looks import NamedLook
    from ..recolor.material import Material
    from ..shots.options import ModelSettings
    from ..shots.sequence import FrameResult
    from ..shots.shots import Shot

LOOK_PANEL = "Look"

_PER_LAYER = [parameter.name for parameter in EDIT_PARAMETERS if parameter.per_layer]
_EDIT = re.compile(r"\s*([^=]+?)\s*(?::\s*([a-z_]+)\s*)?(?:=\s*(.*?)\s*)?")
_PICK = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*=\s*(#?[0-9a-fA-F]{3,6})\s*")
_HARMONY = re.compile(r"\s*([a-z]+)\s*(?:[:=]\s*([-+0-9.eE]+)\s*)?")


def parse_edit(text: str) -> tuple[int | str, str, object]:
    """Reads ``3=#3366ff``, ``5:hue=40``, ``red cup:gain=1.1,1,0.9`` or ``2:mute``: layer, parameter, value.

    Raises:
        UsageError: another form, or a value that the parameter does not take.
        PaletteError: not a color.
    """
    from ..host.look_files import parse_layer
    from ..recolor.looks import NamedLook

    cure = "write it as 3=#3366ff, 5:hue=40, 'red cup:gain=1.1,1,0.9' or 2:mute"
    match = _EDIT.fullmatch(text)
    if match is None or (match[2] is None and match[3] is None):
        raise UsageError(f"--set {text!r} is not an edit", cure=cure)
    layer, name, written = parse_layer(match[1]), match[2] or "color", match[3]
    kind = EDIT_BY_NAME[name].kind if name in _PER_LAYER else ""
    value: object = written
    if written is None or kind == "bool":
        words = {None: True, "on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
        if kind != "bool" or written not in words:
            raise UsageError(f"--set {text!r} is not an edit", cure=cure)
        value = words[written]
    elif kind in ("float", "rgb") or (kind == "color" and "," in written):
        try:
            numbers = [float(part) for part in written.split(",")]
        except ValueError as error:
            raise UsageError(f"--set {text!r}: {written!r} is not a number", cure=cure) from error
        value = numbers[0] if len(numbers) == 1 else numbers
    try:
        return layer, name, NamedLook({layer: {name: value}}).layers[layer][name]
    except UsageError as error:
        raise UsageError(f"--set {text!r}: {error.message}", cure=error.cure) from error


def parse_edits(texts: Sequence[str]) -> NamedLook:
    """All of ``--set`` as one look.

    Raises:
        UsageError, PaletteError: see :func:`parse_edit`; or an edit is given twice.
    """
    from ..recolor.looks import NamedLook

    layers: dict[int | str, dict[str, object]] = {}
    for text in texts:
        layer, name, value = parse_edit(text)
        edits = layers.setdefault(layer, {})
        if name in edits:
            raise UsageError(f"--set gives the {name} of layer {layer} twice", cure="give it once")
        edits[name] = value
    return NamedLook(layers)


def parse_pick(text: str) -> tuple[int, int, tuple[float, float, float]]:
    """Reads ``640,360=#3366ff`` into x, y and the color.

    Raises:
        UsageError: another form.
        PaletteError: not a color.
    """
    from ..palette.palette import PaletteColor

    match = _PICK.fullmatch(text)
    if match is None:
        raise UsageError(f"--pick {text!r} is not a pick", cure="write it as 640,360=#3366ff")
    return int(match[1]), int(match[2]), PaletteColor.from_hex(match[3]).rgb


def parse_harmony(text: str) -> tuple[str, float]:
    """Reads ``triad`` or ``triad:0.5``.

    Raises:
        UsageError: another form.
    """
    match = _HARMONY.fullmatch(text)
    try:
        if match is not None:
            return match[1], float(match[2] or 1.0)
    except ValueError:
        pass  # said below, with the whole text
    raise UsageError(f"--harmony {text!r} is not a harmony", cure="write it as triad or triad:0.5")


def recolor(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT…",
            help="Layers that fscs segment wrote (EXR), or an image, which is segmented in memory. Or a shot of "
            "either: layers.####.exr, a folder, several files; or a movie.",
            show_default=False,
        ),
    ],
    output: pictures.PictureFile,
    edits: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="LAYER=#HEX|LAYER:EDIT=VALUE",
            help="3=#3366ff gives layer 3 a new color, its shades follow; 5:hue=40 turns its hue. Layers are counted "
            f"from 1, or named as in the palette. Edits: {', '.join(_PER_LAYER)}. Repeatable.",
            rich_help_panel=LOOK_PANEL,
        ),
    ] = None,
    look: Annotated[
        Path | None,
        typer.Option("--look", metavar="LOOK.toml", help="Edits from a look file.", rich_help_panel=LOOK_PANEL),
    ] = None,
    match: Annotated[
        str,
        typer.Option(
            "--match",
            metavar="PICTURE|LAYERS.exr|PALETTE|COLORS",
            help="Give the layers the colors of another image or palette: each layer the one that suits it best by "
            "color and coverage.",
            rich_help_panel=LOOK_PANEL,
        ),
    ] = "",
    harmony: Annotated[
        str,
        typer.Option(
            "--harmony",
            metavar="NAME[:STRENGTH]",
            help="Turn the hues to a harmony, itself turned to fit best: complementary, analogous, triad, split, "
            "tetrad or square; strength 0 to 1.",
            rich_help_panel=LOOK_PANEL,
        ),
    ] = "",
    pick: Annotated[
        list[str] | None,
        typer.Option(
            "--pick",
            metavar="X,Y=#HEX",
            help="Give a pixel, counted from the top left, a color: by the smallest change of the fewest layers. "
            "Repeatable, each after the one before; of a shot in its first frame.",
            rich_help_panel=LOOK_PANEL,
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            metavar="0..1",
            help=EDIT_BY_NAME["strength"].tooltip,
            show_default="1, or the look's",
            rich_help_panel=LOOK_PANEL,
        ),
    ] = None,
    opacity_shows: Annotated[
        str | None,
        typer.Option(
            "--opacity-shows",
            metavar="|".join(EDIT_BY_NAME["opacity_shows"].choices),
            help=EDIT_BY_NAME["opacity_shows"].tooltip,
            show_default="others, or the look's",
            rich_help_panel=LOOK_PANEL,
        ),
    ] = None,
    save_look: Annotated[
        Path | None,
        typer.Option(
            "--save-look",
            metavar="LOOK.toml",
            help="Also write all edits, those of --match, --harmony and --pick too, as a look file to change by hand.",
            rich_help_panel=LOOK_PANEL,
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            "--preview",
            metavar="SHEET.png",
            help="Also write a sheet for the eye: the image before and after, and the palette colors before and after.",
            rich_help_panel=options.OUTPUT_PANEL,
        ),
    ] = None,
    frames: options.Frames = "",
    views: options.Views = "",
    missing: options.Missing = "error",
    resume: Annotated[
        bool,
        options.switch(
            "--resume",
            "Leave frames alone that are whole and were made from the same input and look; do the others again.",
            options.SHOT_PANEL,
        ),
    ] = False,
    jobs: options.Jobs = 1,
    palette: options.PaletteSource = options.AUTO,
    colors: options.Colors = None,
    palette_method: options.PaletteMethod = options.DEFAULTS["palette_method"],
    seed: options.Seed = 0,
    model: options.Model = options.DEFAULTS["model"],
    device: options.Device = options.DEFAULTS["device"],
    ocio: options.Ocio = None,
    half: options.Half = False,
    clip: options.Clip = False,
    overwrite: options.Overwrite = False,
    progress_style: options.ProgressStyle = AUTO,
    as_json: options.AsJson = False,
) -> None:
    """Recolors an image by its layers.

    What comes out is the image plus what the edits change: without any it is the image itself.

    The edits are those of --look, then --set; --match gives colors to layers that have none; --harmony turns the hues
    of what came out; --pick comes last.

    [bold]Examples[/bold]

    fscs recolor layers.exr --set 3=#3366ff --set 5:hue=40 -o recolored.exr

    fscs recolor photo.png -k 6 --harmony triad:0.7 --save-look night.toml --preview sheet.png -o night.png --clip

    fscs recolor layers.####.exr --look night.toml -o night.####.exr --resume --jobs 2
    """
    started = time.perf_counter()
    typed = parse_edits(edits or ())
    picks = [parse_pick(text) for text in pick or ()]
    wanted = parse_harmony(harmony) if harmony else None
    whole = {"strength": strength, "opacity_shows": opacity_shows}
    given = {name: value for name, value in whole.items() if value is not None}
    if not (edits or look or match or harmony or pick):
        raise UsageError("nothing to change", cure="give --set, --look, --match, --harmony or --pick")
    from ..shots.frames import FramePattern, is_shot, number_of

    many = is_shot(inputs)
    if not many:
        options.check_input(inputs[0], "a layered EXR or an image")
        options.refuse_shot_flags(inputs[0], {"--frames": frames, "--views": views, "--resume": resume})
    options.check_suffix(output, pictures.PICTURE_SUFFIXES, "an image")
    for file in (save_look, *(() if many else (output, preview))):
        if file is not None:
            options.check_free(file, inputs[0], overwrite=overwrite)
    if preview is not None:
        options.check_suffix(preview, (".png",), "a sheet")
    written = [file.absolute() for file in (output, preview, save_look) if file is not None]
    for file in written:
        if written.count(file) > 1:
            raise UsageError(f"{file} is an output twice", cure="give each output a name of its own")
    with Progress(style=progress_style) as progress:
        with progress.loading("starting"):
            from ..recolor.frames import Recolorer, RecolorWork, recolor_frames
            from ..recolor.looks import NamedLook, read_look
            from ..recolor.looks import save_look as write_look
            from ..recolor.material import is_layered
            from ..shots.options import ModelSettings
            from ..shots.shots import Listed, open_shot, plan

        named = NamedLook(whole=given)
        named = named.over(typed) if look is None else named.over(typed.over(read_look(look)))
        number = number_of(inputs[0])
        shot: Shot = Listed((inputs[0],), name=inputs[0].stem, first=number or 0)
        if many:
            shot = open_shot(inputs, views=options.view_names(views))
        todo, lost, _ = plan(shot, parse_frames_of(frames), missing)
        literal = number is None and not many
        patterns = [None if file is None else FramePattern(str(file), literal) for file in (output, preview)]
        targets = _Targets(shot, *patterns)
        targets.check(todo, overwrite=overwrite or resume)
        layered = is_layered(shot.source(*todo[0]))
        settings = ModelSettings(model, device, ocio=ocio)
        source = _Source(shot, todo, layered, settings, palette, colors, palette_method, seed)
        progress.stage("reading the layers" if layered else "finding the layers")
        # Layers that nothing here depends on are read, recolored and written at the same time.
        seen = not layered or bool(match or wanted or picks or as_json)
        first = source.first() if seen else None
        found = source.stored_palette() if first is None else first.palette
        used = named.look(found)
        spaces = source.spaces
        if first is not None:
            used = _with_first_frame(used, first, match, wanted, picks, spaces)
        work = RecolorWork(
            shot,
            layered,
            found,
            used,
            targets.output,
            targets.preview,
            settings,
            half=half,
            clip=clip,
            overwrite=overwrite,
            resume=resume,
            skip_broken=missing == "skip",
        )
        recolorer = Recolorer(work, source.segmenter)
        report = progress.stage("recoloring")
        finished: list[FrameResult] = []
        try:
            from ..runtime.interrupts import asked_to_stop

            with asked_to_stop() as interrupted:
                recolor_frames(
                    work,
                    todo,
                    recolorer,
                    first=first,
                    jobs=jobs,
                    tick=lambda part: report(part, f"{len(finished)} of {len(todo)} frames") if many else None,
                    done=finished.append,
                    cancelled=interrupted,
                )
        except CancelledError as error:
            done = sum(result.status == "done" for result in finished)
            raise CancelledError(f"cancelled after {done} of {len(todo)} frames", cure=error.cure) from error
        if save_look is not None:
            write_look(save_look, used, found, overwrite=overwrite)
    missed = [(frame, view, str(shot.source(frame, view))) for frame, view in lost]
    saved = [] if save_look is None else [save_look]
    _report(finished, missed, first if as_json else None, found, used, saved, many=many, started=started)


def parse_frames_of(text: str) -> tuple[int, ...] | None:
    """The frames asked for, or None for all. Raises UsageError."""
    from ..shots.frames import parse_frames

    return parse_frames(text) if text else None


class _Targets:
    """The files that a shot is written into."""

    def __init__(self, shot: Shot, output: Any, preview: Any) -> None:
        self.shot, self.output, self.preview = shot, output, preview

    def check(self, frames: Sequence[tuple[int, str]], *, overwrite: bool) -> None:
        """Refuses outputs that can't be written.

        Raises:
            UsageError: one name for several frames or views, or the input itself.
            OutputError: a file exists and ``overwrite`` is False.
        """
        from ..files.atomic import check_targets

        for pattern in (self.output, self.preview):
            if pattern is None:
                continue
            if len({frame for frame, _ in frames}) > 1 and not pattern.has_number:
                path = Path(pattern.text)
                cure = f"write it as {path.stem}.####{path.suffix}"
                raise UsageError(f"{pattern.text}: names one file for several frames", cure=cure)
            if len({view for _, view in frames}) > 1 and not pattern.has_view:
                raise UsageError(f"{pattern.text}: names one file for several views", cure="put %V into it")
            for frame in frames:
                file, source = self.shot.place(*frame).file(pattern), self.shot.source(*frame)
                if file.exists() and source.exists() and file.samefile(source):
                    raise UsageError(f"{file} is the input", cure="name another output: the input is never replaced")
                if file.parent.is_dir():
                    check_targets([file], overwrite=overwrite)


class _Source:
    """Where the layers of the first frame come from; those of the others follow it."""

    def __init__(
        self,
        shot: Shot,
        frames: Sequence[tuple[int, str]],
        layered: bool,
        settings: ModelSettings,
        palette: str,
        colors: int | None,
        method: str,
        seed: int,
    ) -> None:
        from ..color import ColorSpaces

        self._shot, self._frames, self._layered = shot, frames, layered
        self._palette, self._colors, self._method, self._seed = palette, colors, method, seed
        self._given = options.given_palette(palette)
        if layered and (self._given is not None or colors is not None):
            raise UsageError("the layers have their palette already", cure="leave --palette and --colors out")
        self.segmenter = None if layered else settings.open()
        self.spaces: ColorSpaces = ColorSpaces(settings.ocio) if self.segmenter is None else self.segmenter.spaces

    def first(self) -> Material:
        """The first frame.

        Raises:
            InputError: it can't be read.
        """
        from ..palette.image_palette import asked_colors
        from ..recolor.frames import segmented
        from ..recolor.material import read_material
        from ..shots.options import SegmentOptions
        from ..shots.shots import find_palette

        if self.segmenter is None:
            return read_material(self._shot.source(*self._frames[0]))
        wanted = asked_colors(self._colors, self._given)
        found = self._given
        if found is None or len(found) != wanted:
            chosen = SegmentOptions(self._given, wanted, self._method, self._seed)
            found = find_palette(self._shot, self._frames, self.spaces, chosen)
        return segmented(self._shot.read(*self._frames[0]), found, self.segmenter)

    def stored_palette(self) -> Palette:
        """The palette of the first frame's layers, of which nothing else is read.

        Raises:
            InputError: it can't be read.
        """
        from ..files.exr import read_layers_header
        from ..recolor.material import stored_palette

        file = self._shot.source(*self._frames[0])
        header = read_layers_header(file)
        return stored_palette(file, header.metadata, header.count)


def _with_first_frame(
    look: Look,
    first: Material,
    match: str,
    harmony: tuple[str, float] | None,
    picks: Sequence[tuple[int, int, tuple[float, float, float]]],
    spaces: ColorSpaces,
) -> Look:
    """The look with what ``--match``, ``--harmony`` and ``--pick`` make of the first frame, in this order."""
    if match:
        look = _matched(look, first, match, spaces)
    if harmony is not None:
        from ..recolor.palettes import harmony as harmonized

        look = harmonized(look, first.palette, *harmony, coverage=first.coverage)
    for x, y, color in picks:
        look = _picked(look, first, x, y, color, spaces)
    return look


def _matched(look: Look, first: Material, text: str, spaces: ColorSpaces) -> Look:
    from ..recolor.frames import reference_palette
    from ..recolor.palettes import match

    target, coverage = reference_palette(text, len(first.palette), spaces)
    return match(look, first.palette, target, first.coverage if coverage else None, coverage)


def _picked(
    look: Look, first: Material, x: int, y: int, color: tuple[float, float, float], spaces: ColorSpaces
) -> Look:
    from ..host.palette_codec import hex_of
    from ..recolor.palettes import PICK_EXACT, Pixel, pick

    image = first.image
    if x >= image.width or y >= image.height:
        raise UsageError(
            f"--pick {x},{y}: the image is {image.width} x {image.height}",
            cure=f"use 0,0 to {image.width - 1},{image.height - 1}",
        )
    pixel = Pixel(first.palette, image.color_space, first.layers[:, y, x], image.pixels[y, x], spaces)
    look = pick(look, pixel, color)
    red, green, blue = (min(max(value, 0.0), 1.0) for value in pixel.color(look))
    if max(abs(red - color[0]), abs(green - color[1]), abs(blue - color[2])) > PICK_EXACT:
        became = hex_of((red, green, blue))
        message = f"--pick {x},{y}: becomes {became}; layers with little of the pixel stay, the others come no nearer"
        print(f"fscs: {message}", file=sys.stderr, flush=True)
    return look


def _report(
    results: Sequence[FrameResult],
    missed: Sequence[tuple[int, str, str]],
    first: Material | None,
    palette: Palette,
    look: Look,
    saved: Sequence[Path],
    *,
    many: bool,
    started: float,
) -> None:
    """Says how it went: for programs where the first frame is given, else for people.

    Raises:
        typer.Exit: frames are missing or failed.
    """
    if first is not None:
        _print_json(results, missed, first, look, saved, many=many, started=started)
    else:
        _print(results, missed, palette, look, saved, many=many)
    if missed or any(result.status == "failed" for result in results):
        raise typer.Exit(SOME_FAILED)


def _print_json(
    results: Sequence[FrameResult],
    missed: Sequence[tuple[int, str, str]],
    first: Material,
    look: Look,
    saved: Sequence[Path],
    *,
    many: bool,
    started: float,
) -> None:
    """Says how it went, for programs."""
    said: dict[str, object] = {
        "layers": len(first.palette),
        "palette": palette_rows(first.palette),
        "coverage": first.coverage,
        "working_space": first.image.color_space,
        "look": {
            "strength": look.strength,
            "opacity_shows": look.opacity_shows,
            "layers": {str(number): edit.changed for number, edit in look.layers.items()},
        },
        "seconds": {"total": time.perf_counter() - started},
        "peak_rss_bytes": peak_rss_bytes(),
        "outputs": [str(file) for file in (*_written(results), *saved)],
    }
    if many:
        rows = [(r.frame, r.view, r.status, r.message) for r in results]
        rows += [(frame, view, "missing", message) for frame, view, message in missed]
        said["frames"] = [
            {"frame": frame, "view": view, "status": status, "message": message}
            for frame, view, status, message in sorted(rows)
        ]
    print_json(said)


def _print(
    results: Sequence[FrameResult],
    missed: Sequence[tuple[int, str, str]],
    palette: Palette,
    look: Look,
    saved: Sequence[Path],
    *,
    many: bool,
) -> None:
    """Says how it went."""
    _print_look(palette, look)
    if not many:
        print_outputs([*_written(results), *saved])
        return
    from ..host.frames import format_frames

    for status in ("done", "skipped", "failed"):
        numbers = {result.frame for result in results if result.status == status}
        if numbers:
            print(f"{status}: {len(numbers)} ({format_frames(numbers)})")
    if missed:
        print(f"missing: {len(missed)} ({format_frames({frame for frame, _, _ in missed})})")
    for result in results:
        if result.status == "failed":
            print(f"  {result.message}")
    print_outputs(saved)


def _written(results: Sequence[FrameResult]) -> list[Path]:
    return [Path(file) for result in results if result.status == "done" for file in result.outputs]


def _print_look(palette: Palette, look: Look) -> None:
    """A line a layer that is edited."""
    from ..palette.palette import PaletteColor

    for number, edit in look.layers.items():
        color = palette.colors[number - 1]
        shown = [
            f"{name} {PaletteColor(value).hex}" if name == "color"  # type: ignore[arg-type]
            else f"{name} {value:.4g}" if isinstance(value, float)
            else f"{name} {', '.join(f'{part:.4g}' for part in value)}" if isinstance(value, tuple)
            else name
            for name, value in edit.changed.items()
        ]  # fmt: skip
        print(f"  {number:>2}  {color.hex}  {color.name + '  ' if color.name else ''}{'; '.join(shown)}")
