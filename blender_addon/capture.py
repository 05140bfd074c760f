# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what flows into a node by rendering it once into a file: exact for anything that can be linked in."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import exr, strings
from .fscs.protocol import WorkerError
from .jobs import Pending, Progress, Routine
from .session import SESSION
from .trees import all_trees, trees_of_scene

CHANNELS = ("R", "G", "B", "A")
FILE_OUTPUT = "CompositorNodeOutputFile"
MADE, MUTED, CHANGED = "softcolor_made", "softcolor_muted", "softcolor_changed"
"""Custom properties that hold the token of a capture: on the nodes that it made and those that it muted; on the scene,
with the settings that it changed. So all of it is found again in whatever state the artist goes back to."""

PLACED = "placed_"
"""Begins the names of pictures that were laid on a canvas of the size of the render."""

PLACING_ERROR = 1e-3
"""What laying a picture on a canvas may change, as a share of its brightest value: Blender places it by floats."""


class Capture:
    """File Output nodes on the sockets that are wanted, for as long as the render takes. Main thread only.

    The user's own File Output nodes write nothing meanwhile, and the compositor runs whatever the scene is set to.
    All of Blender's data is looked up again when it is put back: the artist may have undone a step meanwhile.

    Args:
        scene: whose compositor the sockets are in, itself or by way of groups.
        links: what begins with the sockets, by names of one's own.
        frame: to be rendered.

    Attributes:
        token: marks what it made and changed.

    Raises:
        WorkerError: a socket is nowhere in the scene's compositor, or Blender renders already.
    """

    def __init__(self, scene: Any, links: Mapping[str, Any], frame: int) -> None:
        trees = trees_of_scene(scene)
        found = {name: next((tree for tree in trees if tree == link.id_data), None) for name, link in links.items()}
        if any(tree is None for tree in found.values()):
            raise strings.error("input", strings.NOT_IN_COMPOSITOR, scene=scene.name)
        if SESSION.captures or bpy.app.is_job_running("RENDER"):
            raise strings.error("input", strings.RENDERS_ALREADY)
        self._frame, self._names = frame, tuple(links)
        self._folder = Path(tempfile.mkdtemp(prefix="softcolor-"))
        self.token = self._folder.name
        SESSION.captures.append(self)
        try:
            self._open(scene, links, found, trees)
        except BaseException:
            self.close()
            raise

    def _open(self, scene: Any, links: Mapping[str, Any], found: Mapping[str, Any], trees: list[Any]) -> None:
        scene[CHANGED] = {
            "token": self.token,
            "use_compositing": scene.render.use_compositing,
            "use_sequencer": scene.render.use_sequencer,
            "before": scene.frame_current,
            "frame": self._frame,
        }
        scene.render.use_compositing, scene.render.use_sequencer = True, False
        for tree in trees:
            for node in tree.nodes:
                if node.bl_idname == FILE_OUTPUT and not node.mute:
                    node[MUTED] = self.token
                    node.mute = True
        for tree in trees:
            sockets = {name: link.from_socket for name, link in links.items() if found[name] == tree}
            if sockets:
                _write_out(tree, sockets, self._folder, self.token)
        if self._frame != scene.frame_current:
            scene.frame_set(self._frame)

    def read(self) -> dict[str, Any]:
        """(H, W, 4) float32, scene-linear, premultiplied, upper row first, under the names of the links.

        Raises:
            WorkerError: nothing was written.
        """
        return {name: _in_place(self._written(name), self._written(PLACED + name)) for name in self._names}

    def _written(self, name: str) -> Any:
        files = sorted(self._folder.glob(f"capture_{name}*.exr"))
        if not files:
            raise strings.error("input", strings.NO_PIXELS, frame=self._frame)
        try:
            return _planes(files[0])
        except (OSError, exr.ExrError) as error:
            raise strings.error("input", strings.CAPTURE_UNREADABLE, error=error) from error

    def restore(self) -> None:
        """Puts everything of Blender's back as it was."""
        if self in SESSION.captures:
            SESSION.captures.remove(self)
            sweep()

    def close(self) -> None:
        """The end of it."""
        self.restore()
        shutil.rmtree(self._folder, ignore_errors=True)


def capturing() -> bool:
    """Whether the render under way is a capture, for which nobody wants passes. It may go on after it was given up."""
    return bool(SESSION.captures) or (SESSION.render is not None and not SESSION.render.ended)


def forget() -> None:
    """Another file was loaded, which ends every render and takes their handlers away."""
    SESSION.render = None
    restore()


def restore() -> None:
    """Takes everything of captures out of the file, as before it is saved."""
    SESSION.captures.clear()
    sweep()


def sweep() -> None:
    """Puts back what captures changed that are over: at their end, and wherever the artist undid a step to or loaded a
    file from the time of one."""
    used = {capture.token for capture in SESSION.captures}
    for tree in all_trees():
        for node in list(tree.nodes):
            if node.get(MUTED, "") not in used | {""}:
                node.mute = False
                del node[MUTED]
            if node.get(MADE, "") not in used | {""}:
                tree.nodes.remove(node)
    for scene in bpy.data.scenes:
        changed = dict(scene.get(CHANGED, {}))
        if changed and changed["token"] not in used:
            del scene[CHANGED]
            _set_back(scene, changed)


def _set_back(scene: Any, changed: Mapping[str, Any]) -> None:
    scene.render.use_compositing = bool(changed["use_compositing"])
    scene.render.use_sequencer = bool(changed["use_sequencer"])
    if scene.frame_current == changed["frame"] != changed["before"]:
        scene.frame_set(changed["before"])


def captured(scene: str, links: Mapping[str, Any], frame: int) -> Routine:
    """Renders the scene's compositor at a frame. Returns what :meth:`Capture.read` does; a routine.

    Raises:
        WorkerError: the render failed, or gave nothing.
    """
    capture = Capture(bpy.data.scenes[scene], links, frame)
    try:
        yield Render(scene)
        return capture.read()
    finally:
        capture.close()


@dataclass(frozen=True)
class Render:
    """A render of the current frame.

    Attributes:
        scene: its name.
    """

    scene: str

    def now(self) -> None:
        """Renders at once."""
        try:
            bpy.ops.render.render(scene=self.scene, write_still=False)
        except RuntimeError as error:
            raise strings.error("input", strings.RENDER_FAILED, error=error) from error

    def start(self, progress: Progress, cancelled: threading.Event) -> Pending:
        """Renders as Blender does when F12 is pressed, but shows no other window."""
        progress.what = strings.RENDERING_INPUT
        return RenderJob(self.scene)


class RenderJob:
    """A render under way.

    Attributes:
        ended: how it ended, empty as long as it goes on.
    """

    def __init__(self, scene: str) -> None:
        self.result: Any = None
        self.error: WorkerError | None = None
        self.ended = ""
        if SESSION.render is not None:  # given up in the middle, so that nobody asked for its end
            SESSION.render.forget()
        view = bpy.context.preferences.view
        shown = view.render_display_type
        bpy.app.handlers.render_complete.append(self._completed)
        bpy.app.handlers.render_cancel.append(self._stopped)
        view.render_display_type = "NONE"
        SESSION.render = self
        try:
            started = bpy.ops.render.render("INVOKE_DEFAULT", scene=scene, write_still=False)
        except RuntimeError as error:
            self._completed()
            self.forget()
            raise strings.error("input", strings.RENDER_FAILED, error=error) from error
        finally:
            view.render_display_type = shown
        if "RUNNING_MODAL" not in started:
            self._completed()

    @property
    def done(self) -> bool:
        """Whether it ended. Asked in the main thread, where handlers may be taken away."""
        if not self.ended or bpy.app.is_job_running("RENDER"):
            return False
        if self.ended == "stopped":
            self.error = strings.error("cancelled", strings.RENDER_STOPPED)
        self.forget()
        return True

    def _completed(self, *_: Any) -> None:
        self.ended = "completed"

    def _stopped(self, *_: Any) -> None:
        self.ended = "stopped"

    def forget(self) -> None:
        """Waits for its end no more."""
        for handlers, own in (
            (bpy.app.handlers.render_complete, self._completed),
            (bpy.app.handlers.render_cancel, self._stopped),
        ):
            if own in handlers:
                handlers.remove(own)


def _planes(file: Path) -> Any:
    """(H, W, 4) of a captured file; a single value stands for all three colors."""
    names = [name for name, _ in exr.read_header(file).channels]
    if "R" in names:
        return np.ascontiguousarray(np.moveaxis(exr.read(file, CHANNELS), 0, -1))
    value = exr.read(file, [names[0]])[0]
    return np.stack([value, value, value, np.ones_like(value)], axis=-1)


def _in_place(picture: Any, placed: Any) -> Any:
    """The picture as it was, with what of it is outside of the render, if it is in the middle as the layers will be;
    else as it lies on the canvas: a File Output writes pixels without the place that a Translate node gave them."""
    if picture.shape == placed.shape:
        return placed
    most = PLACING_ERROR * max(1.0, float(np.abs(picture[np.isfinite(picture)]).max(initial=0.0)))
    tops, lefts = (_middles(inner, outer) for inner, outer in zip(picture.shape, placed.shape[:2], strict=False))
    for top in tops:
        for left in lefts:
            if np.allclose(_laid(picture, placed.shape, top, left), placed, rtol=0.0, atol=most, equal_nan=True):
                return picture
    return placed


def _middles(inner: int, outer: int) -> set[int]:
    """Where something begins that is in the middle, rounded either way."""
    return {(outer - inner) // 2, -((inner - outer) // 2)}


def _laid(picture: Any, shape: tuple[int, ...], top: int, left: int) -> Any:
    """A picture on a transparent canvas, which cuts it."""
    canvas = np.zeros(shape, np.float32)
    shown = picture[max(0, -top) :, max(0, -left) :][: shape[0] - max(0, top), : shape[1] - max(0, left)]
    canvas[max(0, top) :, max(0, left) :][: shown.shape[0], : shown.shape[1]] = shown
    return canvas


def _write_out(tree: Any, sockets: Mapping[str, Any], folder: Path, token: str) -> None:
    """Has sockets written into files, as they are and :data:`PLACED`. Each file has a node of its own: Blender 4.2
    makes all pictures of a node as large as the first."""
    for name, socket in sockets.items():
        _file_output(tree, name, socket, folder, token)
        _file_output(tree, PLACED + name, _on_canvas(tree, socket, token), folder, token)


def _new(tree: Any, kind: str, token: str) -> Any:
    node = tree.nodes.new(kind)
    node[MADE] = token
    return node


def _file_output(tree: Any, name: str, socket: Any, folder: Path, token: str) -> None:
    node = _new(tree, FILE_OUTPUT, token)
    form = node.format
    if hasattr(form, "media_type"):  # 5.0 and later
        form.media_type = "IMAGE"
    form.file_format = "OPEN_EXR"
    form.color_mode = "RGBA"
    form.color_depth = "32"
    form.exr_codec = "NONE"
    form.views_format = "INDIVIDUAL"
    form.use_preview = False
    form.color_management = "OVERRIDE"
    _unconverted(form.linear_colorspace_settings)
    if hasattr(node, "file_output_items"):
        node.directory = str(folder)
        node.file_name = "capture_"
        node.file_output_items.clear()
        node.file_output_items.new("RGBA", name)
    else:
        node.base_path = str(folder)
        node.file_slots.clear()
        node.file_slots.new(f"capture_{name}")
    tree.links.new(socket, node.inputs[0])


def _unconverted(settings: Any) -> None:
    """Chooses a color space for data. Its values are written as the compositor has them, in the scene-linear space,
    whatever the scene's own output is set to. Every configuration of OpenColorIO has one, under a name of its own."""
    for item in settings.bl_rna.properties["name"].enum_items:
        settings.name = item.identifier
        if settings.is_data:
            return
    raise strings.error("input", strings.NO_DATA_SPACE)


def _on_canvas(tree: Any, socket: Any, token: str) -> Any:
    """The picture on a canvas of the size of the render, by nodes. It is picked by its depth, which leaves every value
    what it is. Alpha Over does not."""
    mask, pick = _new(tree, "CompositorNodeBoxMask", token), _new(tree, "CompositorNodeZcombine", token)
    for name in ("use_alpha", "use_antialias_z"):
        if hasattr(pick, name):
            setattr(pick, name, False)
    for flag in (each for each in pick.inputs if each.type == "BOOLEAN"):  # 5.0 and later
        flag.default_value = False
    canvas, behind, picture, before = [each for each in pick.inputs if each.type in ("RGBA", "VALUE")]
    behind.default_value, before.default_value = 2.0, 1.0
    tree.links.new(mask.outputs[0], canvas)
    tree.links.new(socket, picture)
    return pick.outputs[0]
