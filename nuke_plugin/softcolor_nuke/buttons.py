"""What the buttons of the node do. Whatever goes wrong is told to the artist in words, with what to do about it."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable

import nuke

from . import callbacks, engine, exr, frames, layer_names, palette_files, settings, working_space
from . import render as rendering
from .fscs._version import __version__
from .fscs.parameters import BY_NAME, MAXIMUM_COLORS
from .fscs.preset_list import read_presets
from .fscs.protocol import JsonObject, WorkerError

TITLE = "Soft Color Segment"


def told(action: Callable[[Any], None]) -> Callable[[Any], None]:
    """A button's action whose errors become a message."""

    @functools.wraps(action)
    def guarded(node: Any) -> None:
        try:
            action(node)
        except WorkerError as error:
            if error.code != "cancelled":
                _say(f"{TITLE}: {error}")
        except Exception:  # a fault of the plug-in must not end in a window full of Python
            nuke.tprint(traceback.format_exc())
            _say(
                f"{TITLE}: something went wrong inside the plug-in. Save the text of the Script Editor or terminal "
                "and report it. The node and its files are as they were."
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


def _views(node: Any) -> list[str]:
    if frames.has_view(str(node["cache_file"].value())):
        return [str(view) for view in nuke.views()]
    return [str(nuke.thisView())]


def _render(node: Any, numbers: Sequence[int]) -> None:
    with Task(f"{TITLE}: {node.name()}") as task:
        rendering.render(node, numbers, _views(node), task.progress, task.cancelled)
    _reload(node)


def _reload(node: Any) -> None:
    """Lets the node read its files again; what the Reload button of a Read does."""
    version = node.node("Cache")["version"]
    version.setValue(int(version.value()) + 1)


@told
def render(node: Any) -> None:
    """Renders the range of the Cache tab."""
    first, last = int(node["first_frame"].value()), int(node["last_frame"].value())
    if last < first:
        raise WorkerError("usage", f"the range {first} to {last} holds no frame", "set First Frame and Last Frame")
    _render(node, range(first, last + 1))


@told
def render_frame(node: Any) -> None:
    """Renders the current frame."""
    _render(node, [int(nuke.frame())])


@told
def clear(node: Any) -> None:
    """Deletes the files of the range, but none that is not of ours."""
    template = rendering.cache_template(node)
    found = []
    for frame in range(int(node["first_frame"].value()), int(node["last_frame"].value()) + 1):
        for view in _views(node):
            path = Path(frames.path_of(template, frame, view))
            if path.is_file() and "softcolor:key" in exr.read_header(path):
                found.append(path)
    if not found:
        _say(f"{TITLE}: there are no files of layers in this range.")
    elif nuke.ask(f"Delete {len(found)} files of layers, {found[0].name} to {found[-1].name}?"):
        for path in found:
            path.unlink()
        _reload(node)


@told
def auto_palette(node: Any) -> None:
    """Finds colours for those that are not locked."""
    colors = int(node["colors"].value())
    given = settings.palette_of(node, only_locked=True)
    with Task(f"{TITLE}: palette") as task:
        found = rendering.palette(
            node, colors, given, int(nuke.frame()), str(nuke.thisView()), task.progress, task.cancelled
        )
    set_palette(node, found, "Auto Palette")


@told
def import_palette(node: Any) -> None:
    """Reads a palette file."""
    path = nuke.getFilename("Palette", "*.json *.gpl *.txt")
    if path:
        set_palette(node, palette_files.read(path), "Import Palette")


@told
def export_palette(node: Any) -> None:
    """Writes a palette file."""
    path = nuke.getFilename("Palette", "*.json", type="save")
    if path:
        palette_files.write(path if path.lower().endswith(".json") else path + ".json", settings.palette_of(node))


@told
def sample(node: Any) -> None:
    """Takes a colour out of the image."""
    image = node.input(0)
    if image is None:
        raise WorkerError("usage", "there is no image", "connect the img input")
    n = int(node["sample_layer"].value())
    if not 1 <= n <= MAXIMUM_COLORS:
        raise WorkerError("usage", f"there is no colour {n}", f"set Sample into to 1 to {MAXIMUM_COLORS}")
    x, y = (float(node["sample_position"].value(index)) for index in (0, 1))
    color = [float(image.sample(channel, x, y)) for channel in ("red", "green", "blue")]
    with _one_undo(f"Sample colour {n}"):
        for index, value in enumerate(color):
            node[f"color{n}"].setValue(min(max(value, 0.0), 1.0), index)


@told
def load_preset(node: Any) -> None:
    """Takes the controls of a preset, one of those that ``fscs preset save`` made."""
    presets = read_presets(engine.python_path())
    if not presets:
        raise WorkerError("usage", "there are no presets yet", "make one with: fscs preset save NAME")
    names = [str(preset["name"]) for preset in presets]
    chosen = nuke.choice(TITLE, "Preset", names)
    if chosen is not None:
        set_preset(node, presets[int(chosen)])


def set_preset(node: Any, preset: JsonObject) -> None:
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
    callbacks.show_layers(node)


def set_palette(node: Any, palette: JsonObject, what: str) -> None:
    """Puts a palette into the knobs, as one step of the undo list."""
    space = str(node["working_space"].value())
    with _one_undo(what):
        node["colors"].setValue(len(palette["colors"]))
        for n, entry in enumerate(palette["colors"], 1):
            for index, value in enumerate(working_space.from_srgb(entry["rgb"], space)):
                node[f"color{n}"].setValue(value, index)
            node[f"name{n}"].setValue(str(entry.get("name", "")))
            node[f"lock{n}"].setValue(bool(entry.get("locked", False)))
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
def rename_layers(node: Any) -> None:
    """Gives the layers in the stream the names that Layer Prefix asks for."""
    with _one_undo("Layer Prefix"):
        layer_names.rename(node, str(node["layer_prefix"].value()))


@told
def check(node: Any) -> None:
    """Starts the engine and says how things are."""
    lines = [f"plug-in {__version__}", f"Nuke {nuke.NUKE_VERSION_STRING}"]
    python = engine.python_path()
    hello = engine.connect().hello
    models = ", ".join(str(model["name"]) for model in hello["models"])
    lines += [f"engine {hello['engine']} ({models})", str(python)]
    node["versions"].setValue("\n".join(lines))
    if nuke.GUI:
        nuke.message("\n".join([f"{TITLE}: all is well.", *lines]))
    else:
        nuke.tprint("\n".join(lines))


@told
def locate_engine(node: Any) -> None:
    """Lets the artist choose the engine's Python, and keeps it in the user's preferences."""
    path = nuke.getFilename("The engine's Python (bin/python of its environment)")
    if path:
        engine.prefer(path)
        engine.disconnect()
        hello = engine.connect().hello
        node["versions"].setValue(f"engine {hello['engine']}")


@told
def show_log(node: Any) -> None:
    """Shows the end of the engine's log."""
    _say(f"{engine.log_file()}\n\n{engine.log_end() or 'There is nothing in it.'}")
