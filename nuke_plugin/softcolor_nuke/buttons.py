"""What the buttons of the node do. Whatever goes wrong is told to the artist in words, with what to do about it."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Callable, Optional

import nuke

from . import (
    background,
    callbacks,
    engine,
    exr,
    first_contact,
    installing,
    layer_names,
    layer_tree,
    recolor,
    settings,
    upstream,
    working_space,
)
from . import render as rendering
from .fscs import check as checking
from .fscs import frames, install, look_files, package_source, palette_codec
from .fscs._version import __version__
from .fscs.client import clean_environment
from .fscs.edits import LayerEdit
from .fscs.naming import METADATA_PREFIX
from .fscs.parameters import BY_NAME, MAXIMUM_COLORS
from .fscs.preset_list import read_presets
from .fscs.protocol import JsonObject, WorkerError

TITLE = "Soft Color Segment"
_PALETTES = " ".join(f"*{ending}" for ending in palette_codec.ENDINGS)


def told(action: Callable[..., None]) -> Callable[..., None]:
    """A button's action whose errors become a message."""

    @functools.wraps(action)
    def guarded(node: nuke.Group, *arguments: object) -> None:
        try:
            action(node, *arguments)
        except WorkerError as error:
            if error.code != "cancelled":
                _say(f"{TITLE}: {error}")
        except Exception:  # a fault of the plug-in must not end in a window full of Python
            nuke.tprint(traceback.format_exc())
            _say(
                f"{TITLE}: something went wrong inside the plug-in. Save the text of the Script Editor or the terminal "
                "and report it. The node and its files are unchanged."
            )
        finally:
            callbacks.update(node)

    return guarded


def _say(text: str) -> None:
    """A message window, or an error where there is nobody to read it."""
    if nuke.GUI:
        nuke.message(text)
    else:
        raise RuntimeError(text)


class Task:
    """Nuke's window of progress, for as long as a ``with`` block lasts."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Task:
        self._task = nuke.ProgressTask(self._what)
        return self

    def __exit__(self, *_: object) -> None:
        del self._task  # which closes its window

    def progress(self, fraction: float, text: str) -> None:
        """Shows how far it is."""
        self._task.setMessage(text)
        self._task.setProgress(int(100 * fraction))

    def cancelled(self) -> bool:
        """Whether the artist pressed Cancel."""
        return bool(self._task.isCancelled())


def _views(node: nuke.Group) -> list[str]:
    if frames.has_view(rendering.cache_template(node)):
        return [str(view) for view in nuke.views()]
    return [str(nuke.thisView())]


def _render(node: nuke.Group, numbers: Sequence[int]) -> None:
    try:
        with Task(f"{TITLE}: {node.name()}") as task:
            rendering.render(node, numbers, _views(node), task.progress, task.cancelled)
    finally:  # what was done before an error is there, too
        upstream.read_again(node.node("Cache"))


def _range(node: nuke.Group) -> Sequence[int]:
    return range(int(node["first_frame"].value()), int(node["last_frame"].value()) + 1)


@told
def render(node: nuke.Group) -> None:
    """Renders the range of the Cache tab, without the frames that are there as they should be."""
    numbers = _wanted(node)
    if numbers is not None:
        _render(node, numbers)


@told
def render_background(node: nuke.Group) -> None:
    """The same in another Nuke. The layers of a frame are there as soon as its file is."""
    numbers = _wanted(node)
    if numbers is not None:
        rendering.check(node, numbers, _views(node))
        background.start(node, numbers, _background_ended)


def _background_ended(name: str, problem: str) -> None:
    node = background.node_named(name)
    if node is not None:
        upstream.read_again(node.node("Cache"))
        callbacks.look([name])
    if problem:
        _say(f"{TITLE}: {name}: {problem}")


def _wanted(node: nuke.Group) -> Optional[Sequence[int]]:
    """The frames to render, or None where there are none and it was said."""
    background.check(node)
    if not node["cache_file"].value():
        first_contact.place(node)
    numbers = _range(node)
    if node["only_missing"].value() and numbers:
        numbers = [frame for frame in numbers if _problem(node, frame)]
        if not numbers:
            _say(f"{TITLE}: all frames are rendered.")
            return None
    return numbers


def _problem(node: nuke.Group, frame: int) -> str:
    """What is wrong with a frame in the first view where something is, in words."""
    found = (_problem_of_view(node, frame, view) for view in _views(node))
    return next((text for text in found if text), "")


def _problem_of_view(node: nuke.Group, frame: int, view: str) -> str:
    try:
        return callbacks.state(node, frame, view, sure=True)
    except WorkerError as error:
        if error.code == "usage":
            raise
        return str(error)


@told
def check_status(node: nuke.Group) -> None:
    """Says of all frames how their files stand to the controls and to the image."""
    if node["mode"].value() != "Cached":
        raise WorkerError("usage", f"Mode is {node['mode'].value()}", "set it to Cached")
    found = [text for text in (_problem(node, frame) for frame in _range(node)) if text]
    more = f"\n... and {len(found) - 10} more" if len(found) > 10 else ""
    callbacks.look([node.fullName()])
    _say("\n".join([f"{TITLE}: {len(found)} of {len(_range(node))} frames must be rendered.", *found[:10]]) + more)


@told
def set_range(node: nuke.Group) -> None:
    """Takes the range of the image."""
    with _one_undo("Set Range to Input"):
        first_contact.set_range(node)


@told
def export_layers(node: nuke.Group) -> None:
    """Makes nodes for each layer, and joins them."""
    with _one_undo("Export Layers"):
        layer_tree.build(node)


@told
def read_from_cache(node: nuke.Group) -> None:
    """Takes the settings of the file of this frame."""
    header = exr.read_header(upstream.file_of(node, int(nuke.frame()), str(nuke.thisView())))
    if len(str(header.get(METADATA_PREFIX + "key", ""))) != 64:
        raise WorkerError("input", "the file holds no layers", "choose one that Render or 'fscs segment' wrote")
    with _one_undo("Read from Cache"):
        settings.take(node, header)
        set_palette(node, settings.palette_of_file(header), "Palette")


@told
def reset_edits(node: nuke.Group) -> None:
    """Removes the edits of the chosen layer."""
    _reset(node, [min(max(int(node["edit_layer"].value()), 1), MAXIMUM_COLORS)])


@told
def reset_all_edits(node: nuke.Group) -> None:
    """Removes the edits of all layers."""
    _reset(node, range(1, MAXIMUM_COLORS + 1))


def _reset(node: nuke.Group, layers: Iterable[int]) -> None:
    with _one_undo("Reset edits"):
        for layer in layers:
            recolor.set_edit(node, layer, LayerEdit())


def _look_names(node: nuke.Group) -> list[str]:
    return [str(node[f"name{n}"].value()) for n in range(1, settings.colors_of(node) + 1)]


@told
def load_look(node: nuke.Group) -> None:
    """Takes the edits of a look file in the place of all that there are."""
    path = nuke.getFilename("Look", f"*{look_files.ENDING}")
    if path:
        look = look_files.read_look(path, _look_names(node), engine.python_path())
        with _one_undo("Load Look"):
            recolor.set_look(node, look)


@told
def save_look(node: nuke.Group) -> None:
    """Writes the edits to a look file."""
    path = nuke.getFilename("Look", f"*{look_files.ENDING}", type="save")
    if path:
        known = path.lower().endswith(look_files.ENDING)
        look_files.write_look(path if known else path + look_files.ENDING, recolor.look_of(node), _look_names(node))


@told
def render_frame(node: nuke.Group) -> None:
    """Renders the current frame."""
    _render(node, [int(nuke.frame())])


@told
def clear(node: nuke.Group) -> None:
    """Deletes the files of the range, but none that is not of ours."""
    template = rendering.cache_template(node)
    found = []
    for frame in _range(node):
        for view in _views(node):
            path = Path(frames.file_of(template, frame, view))
            if path.is_file() and _is_of_layers(path):
                found.append(path)
    if not found:
        _say(f"{TITLE}: there are no cache files in this range.")
    elif nuke.ask(f"Delete {len(found)} cache files, {found[0].name} to {found[-1].name}?"):
        try:
            for path in found:
                path.unlink()
        except OSError as error:
            message = f"{error.filename} can't be deleted ({error.strerror})"
            raise WorkerError(
                "output", message, "close the programs that use it, and check that its folder is writable"
            ) from error
        finally:
            upstream.read_again(node.node("Cache"))


def _is_of_layers(path: Path) -> bool:
    """Whether a file is one of ours. What is damaged stays where it is."""
    try:
        return "softcolor:key" in exr.read_header(path)
    except WorkerError:
        return False


@told
def auto_palette(node: nuke.Group) -> None:
    """Finds colors for those that are not locked."""
    colors, frame = settings.colors_of(node), int(nuke.frame())
    given = settings.palette_of(node, frame, only_locked=True)
    with Task(f"{TITLE}: palette") as task:
        found = rendering.palette(node, colors, given, frame, str(nuke.thisView()), task.progress, task.cancelled)
    set_palette(node, found, "Auto Palette")


@told
def import_palette(node: nuke.Group) -> None:
    """Reads a palette file."""
    path = nuke.getFilename("Palette", _PALETTES)
    if path:
        set_palette(node, palette_codec.read_palette(path), "Import Palette")


@told
def export_palette(node: nuke.Group) -> None:
    """Writes a palette file."""
    path = nuke.getFilename("Palette", _PALETTES, type="save")
    if path:
        palette = settings.palette_of(node, int(nuke.frame()))
        known = path.lower().endswith(palette_codec.ENDINGS)
        palette_codec.write_palette(path if known else path + ".json", palette)


@told
def pick(node: nuke.Group, n: int) -> None:
    """Takes a color out of the image: the mean over the box, without the alpha."""
    image = node.input(0)
    if image is None:
        raise WorkerError("usage", "there is no image", "connect the img input")
    left, bottom, right, top = (float(node["pick_box"].value(index)) for index in range(4))
    if right <= left or top <= bottom:
        raise WorkerError("usage", "the box Pick from is empty", "drag its corners apart in the Viewer")
    place = (left + right) / 2, (bottom + top) / 2, right - left, top - bottom
    color = [float(image.sample(channel, *place)) for channel in ("red", "green", "blue")]
    has_alpha = "rgba.alpha" in [str(channel) for channel in image.channels()]
    alpha = float(image.sample("alpha", *place)) if has_alpha else 1.0
    if alpha <= 0:
        raise WorkerError("usage", "the image is transparent in the box Pick from", "move it to another place")
    with _one_undo(f"Pick color {n}"):
        for index, value in enumerate(color):
            node[f"color{n}"].setValue(min(max(value / alpha, 0.0), 1.0), index)


@told
def load_preset(node: nuke.Group) -> None:
    """Takes the controls of a preset, one of those that ``fscs preset save`` made."""
    presets = read_presets(engine.python_path())
    if not presets:
        raise WorkerError("usage", "there are no presets yet", "create one with: fscs preset save NAME")
    names = [str(preset["name"]) for preset in presets]
    chosen = nuke.choice(TITLE, "Preset", names)
    if chosen is not None:
        set_preset(node, presets[int(chosen)])


def set_preset(node: nuke.Group, preset: JsonObject) -> None:
    """Puts a preset into the knobs, as one step of the undo list. Those that the node has no knob for are left out."""
    knobs = node.knobs()
    with _one_undo(f"Preset {preset['name']}"):
        for name, value in preset["values"].items():
            if name in knobs and (name != "working_space" or value in working_space.SPACES):
                node[name].setValue(value)
        for name, layers in preset["layers"].items():
            if name in BY_NAME and BY_NAME[name].per_layer:
                for number, value in layers.items():
                    node[f"{name}{number}"].setValue(value)
        callbacks.follow(node)
    callbacks.show_layers(node)


def set_palette(node: nuke.Group, palette: JsonObject, what: str) -> None:
    """Puts a palette into the knobs, as one step of the undo list."""
    space = str(node["working_space"].value())
    with _one_undo(what):
        node["colors"].setValue(len(palette["colors"]))
        for n, entry in enumerate(palette["colors"], 1):
            for index, value in enumerate(working_space.from_srgb(entry["rgb"], space)):
                node[f"color{n}"].setValue(value, index)
            node[f"name{n}"].setValue(str(entry.get("name", "")))
            node[f"lock{n}"].setValue(bool(entry.get("locked", False)))
        callbacks.follow(node)
    callbacks.show_layers(node)


class _one_undo:
    """All changes inside the block are one step of the undo list."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        nuke.Undo.begin(self._what)

    def __exit__(self, *_: object) -> None:
        nuke.Undo.end()


@told
def rename_layers(node: nuke.Group) -> None:
    """Gives the layers in the stream the names that Layer Prefix asks for."""
    with _one_undo("Layer Prefix"):
        layer_names.rename(node, str(node["layer_prefix"].value()))
        callbacks.follow(node)


@told
def check(node: nuke.Group) -> None:
    """Runs ``fscs doctor``, starts the engine's process, and says how things are."""
    python = engine.python_path()
    with Task(f"{TITLE}: check") as task:
        task.progress(0.1, "checking the engine")
        found = checking.examine(python, __version__, environment=clean_environment(), stop=task.cancelled)
        if not found.works:
            raise WorkerError("worker", f"{python}: " + "; ".join(found.wrong), found.cure)
        task.progress(0.9, "starting the engine")
        models = ", ".join(str(model["name"]) for model in engine.connect().hello["models"])
    lines = [f"Plug-in {__version__}, Nuke {nuke.NUKE_VERSION_STRING}", *found.lines, f"Models: {models}", str(python)]
    node["versions"].setValue("\n".join(lines))
    if nuke.GUI:
        nuke.message("\n".join([f"{TITLE}: everything works.", *lines]))
    else:
        nuke.tprint("\n".join(lines))


ANOTHER = "Another Python ..."
CPU = f"PyTorch for the CPU ({package_source.sizes(cpu_only=True)})"
GPU = f"PyTorch as it is there, on Linux with NVIDIA CUDA ({package_source.sizes(cpu_only=False)})"
FOLDER = "Take the packages from a folder of wheels"
WAYS = [f"PyPI: {CPU}", f"PyPI: {GPU}", FOLDER, f"Another package index: {CPU}", f"Another package index: {GPU}"]
PLACES = ["Your folder for the data of programs", "Another folder ..."]


@told
def install_engine(node: nuke.Group) -> None:
    """Makes a private environment for the engine with a Python that the artist chooses, and installs the engine."""
    found = [*installing.pythons(), ANOTHER]
    chosen = nuke.choice(TITLE, f"Python to install the engine with, in {install.data_folder()}", found)
    if chosen is None:
        return
    python: Optional[str] = found[int(chosen)]
    if python == ANOTHER:
        python = nuke.getFilename("Python 3.11 or newer")
    if not python:
        return
    way = nuke.choice(TITLE, "Packages", WAYS)
    if way is None:
        return
    source: Optional[str] = ""
    if WAYS[int(way)] == FOLDER:
        source = nuke.getFilename("Folder of wheels")
    elif "Another" in WAYS[int(way)]:
        source = nuke.getInput("Address of the package index, the only one that is used", "https://")
    if not source and not WAYS[int(way)].startswith("PyPI"):
        return
    other = nuke.choice(TITLE, "Engine Folder, on a disk where programs may run", PLACES)
    place = nuke.getFilename("Engine Folder") if other else ""
    if other is None or source is None or place is None:
        return
    wanted = installing.plan(python, source, cpu_only=GPU not in WAYS[int(way)], place=place)
    if WAYS[int(way)] == FOLDER and not wanted.offline:
        raise WorkerError("usage", f"{source} is not a folder", "choose the folder with the wheels")
    with Task(f"{TITLE}: install") as task:
        installed = installing.run(wanted, task.progress, task.cancelled)
    text = f"{TITLE}: the engine is installed."
    if engine.python_path() != installed:
        text += f" The variable {engine.PYTHON_VARIABLE} names another one, which is still used."
    _say(text)


@told
def locate_engine(node: nuke.Group) -> None:
    """Lets the artist choose the engine's Python, and keeps it in the user's preferences."""
    path = nuke.getFilename("The engine's Python (bin/python of its environment)")
    if path:
        engine.prefer(path)
        engine.disconnect()
        hello = engine.connect().hello
        node["versions"].setValue(f"Engine {hello['engine']}")


@told
def show_log(node: nuke.Group) -> None:
    """Shows the end of the logs."""
    _say(engine.log_end() or f"{TITLE}: there is no log yet.")
