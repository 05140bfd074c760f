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
from .trees import compositor_tree, trees_of_scene

CHANNELS = ("R", "G", "B", "A")
OUTPUT_NAME = "Soft Color Segment Capture"
"""Of the node that is there for the time of the render."""


class Capture:
    """A File Output node on the sockets that are wanted, for as long as the render takes. Main thread only.

    The user's own File Output nodes write nothing meanwhile, and the compositor runs whatever the scene is set to.
    All of Blender's data is looked up by name again when it is put back: the artist may have undone a step meanwhile.

    Args:
        scene: whose compositor the sockets are in, itself or by way of groups.
        links: what begins with the sockets, by names of one's own.
        frame: to be rendered.

    Raises:
        WorkerError: a socket is nowhere in the scene's compositor.
    """

    def __init__(self, scene: Any, links: Mapping[str, Any], frame: int) -> None:
        trees = trees_of_scene(scene)
        found = {name: next((tree for tree in trees if tree == link.id_data), None) for name, link in links.items()}
        if any(tree is None for tree in found.values()):
            raise strings.error("input", strings.NOT_IN_COMPOSITOR, scene=scene.name)
        self._scene, self._frame, self._before = scene.name, frame, scene.frame_current
        self._names = tuple(links)
        self._folder = Path(tempfile.mkdtemp(prefix="softcolor-"))
        self._render = scene.render.use_compositing, scene.render.use_sequencer
        self._outputs: list[_Tree] = []
        self._muted: list[tuple[_Tree, str]] = []
        SESSION.captures.append(self)
        try:
            self._open(scene, links, found, trees)
        except BaseException:
            self.close()
            raise

    def _open(self, scene: Any, links: Mapping[str, Any], found: Mapping[str, Any], trees: list[Any]) -> None:
        scene.render.use_compositing, scene.render.use_sequencer = True, False
        for tree in trees:
            for node in tree.nodes:
                if node.bl_idname == "CompositorNodeOutputFile" and not node.mute:
                    self._muted.append((_Tree.of(tree, scene), node.name))
                    node.mute = True
        for tree in trees:
            sockets = {name: link.from_socket for name, link in links.items() if found[name] == tree}
            if sockets:
                self._outputs.append(_Tree.of(tree, scene))
                _file_output(tree, sockets, str(self._folder))
        if self._frame != self._before:
            scene.frame_set(self._frame)

    def read(self) -> dict[str, Any]:
        """(H, W, 4) float32, scene-linear, premultiplied, upper row first, under the names of the links.

        Raises:
            WorkerError: nothing was written.
        """
        found = {}
        for name in self._names:
            files = sorted(self._folder.glob(f"*{name}*.exr"))
            if not files:
                raise strings.error("input", strings.NO_PIXELS, frame=self._frame)
            try:
                found[name] = _planes(files[0])
            except (OSError, exr.ExrError) as error:
                raise strings.error("input", strings.CAPTURE_UNREADABLE, error=error) from error
        return found

    def restore(self) -> None:
        """Puts everything of Blender's back as it was."""
        if self not in SESSION.captures:
            return
        for place in self._outputs:
            tree = place.tree()
            output = tree.nodes.get(OUTPUT_NAME) if tree is not None else None
            if output is not None:
                tree.nodes.remove(output)
        for place, name in self._muted:
            tree = place.tree()
            if tree is not None and name in tree.nodes:
                tree.nodes[name].mute = False
        scene = bpy.data.scenes.get(self._scene)
        if scene is not None:
            scene.render.use_compositing, scene.render.use_sequencer = self._render
            if scene.frame_current == self._frame != self._before:
                scene.frame_set(self._before)
        SESSION.captures.remove(self)

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


def restore() -> None:
    """Takes the captures' nodes out of the trees, as before the file is saved."""
    for capture in list(SESSION.captures):
        capture.restore()


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
        if bpy.app.is_job_running("RENDER"):
            raise strings.error("input", strings.RENDERS_ALREADY)
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


@dataclass(frozen=True)
class _Tree:
    """Where a tree is found again: the scene whose own it is, or the name of a node group."""

    scene: str
    group: tuple[str, str]

    @staticmethod
    def of(tree: Any, scene: Any) -> _Tree:
        own = tree == compositor_tree(scene) and tree.is_embedded_data
        library = tree.library.filepath if tree.library is not None else ""
        return _Tree(scene.name if own else "", (tree.name, library))

    def tree(self) -> Any:
        """The tree; None if it is gone."""
        if self.scene:
            scene = bpy.data.scenes.get(self.scene)
            return compositor_tree(scene) if scene is not None else None
        name, library = self.group
        return bpy.data.node_groups.get((name, library or None))


def _planes(file: Path) -> Any:
    """(H, W, 4) of a captured file; a single value stands for all three colors."""
    names = [name for name, _ in exr.read_header(file).channels]
    if "R" in names:
        return np.ascontiguousarray(np.moveaxis(exr.read(file, CHANNELS), 0, -1))
    value = exr.read(file, [names[0]])[0]
    return np.stack([value, value, value, np.ones_like(value)], axis=-1)


def _file_output(tree: Any, sockets: dict[str, Any], folder: str) -> None:
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.name = OUTPUT_NAME
    form = node.format
    if hasattr(form, "media_type"):  # 5.0 and later
        form.media_type = "IMAGE"
    form.file_format = "OPEN_EXR"
    form.color_mode = "RGBA"
    form.color_depth = "32"
    form.exr_codec = "NONE"
    if hasattr(node, "file_output_items"):
        node.directory = folder
        node.file_name = "capture_"
        node.file_output_items.clear()
        for name in sockets:
            node.file_output_items.new("RGBA", name)
    else:
        node.base_path = folder
        node.file_slots.clear()
        for name in sockets:
            node.file_slots.new(f"capture_{name}")
    for number, socket in enumerate(sockets.values()):
        tree.links.new(socket, node.inputs[number])
