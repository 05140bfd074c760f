# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: the engine's Python, its installation and check, and the place of the cache."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import engine, settings, strings
from .fscs import check, install, package_source
from .fscs._version import __version__
from .fscs.client import clean_environment
from .fscs.protocol import WorkerError
from .strings import wrapped

CACHE_FOLDER = "scs_cache"
"""The folder of the cache, beside the .blend."""

REDRAW_SECONDS = 0.25
LINE = 90
"""Letters that fit into a line of the panel."""


class Preferences(bpy.types.AddonPreferences):
    """What the user sets once for all .blends. Nothing of it is ever taken from a .blend."""

    bl_idname = __package__

    engine_python: bpy.props.StringProperty(
        name=strings.ENGINE_PYTHON[0],
        description=strings.ENGINE_PYTHON[1].format(variable=engine.PYTHON_VARIABLE),
        subtype="FILE_PATH",
    )
    base_python: bpy.props.StringProperty(
        name=strings.BASE_PYTHON[0],
        description=strings.BASE_PYTHON[1],
        subtype="FILE_PATH",
    )
    torch_build: bpy.props.EnumProperty(
        name=strings.TORCH_BUILD[0],
        description=strings.TORCH_BUILD[1],
        items=tuple((build, *words) for build, words in strings.TORCH_BUILDS.items()),
        default=settings.DEFAULTS.torch_build,
    )
    package_source: bpy.props.StringProperty(
        name=strings.PACKAGE_SOURCE[0],
        description=strings.PACKAGE_SOURCE[1],
    )
    engine_folder: bpy.props.StringProperty(
        name=strings.ENGINE_FOLDER[0],
        description=strings.ENGINE_FOLDER[1],
        subtype="DIR_PATH",
    )
    cache_directory: bpy.props.StringProperty(
        name=strings.CACHE_DIRECTORY[0],
        description=strings.CACHE_DIRECTORY[1].format(folder=CACHE_FOLDER),
        subtype="DIR_PATH",
    )
    memory_limit: bpy.props.IntProperty(
        name=strings.MEMORY_LIMIT[0],
        description=strings.MEMORY_LIMIT[1],
        default=settings.DEFAULTS.memory_limit,
        min=0,
        max=1 << 20,
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """Draws the panel in Blender's preferences."""
        layout = self.layout
        _draw_engine(layout.box(), self)
        box = layout.box()
        box.label(text=strings.CACHE, icon="FILE_CACHE")
        box.prop(self, "cache_directory", text=strings.FOLDER)
        box.prop(self, "memory_limit")


def cache_folder(blend_path: str) -> Path:
    """The folder that the layers of a .blend are kept in, whether it exists or not.

    All .blends of one folder share it, so the next version of a shot finds what the last one computed.

    Args:
        blend_path: absolute path of the .blend; empty for one that was never saved, whose layers then lie in the
            folder that Blender removes when it ends.
    """
    if not blend_path:
        return Path(bpy.app.tempdir) / CACHE_FOLDER
    beside = Path(blend_path).absolute().parent
    chosen = settings.get().cache_directory
    if not chosen:
        return beside / CACHE_FOLDER
    digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:8]
    return Path(bpy.path.abspath(chosen, start=str(beside))) / f"{beside.name or 'root'}-{digest}"


# What goes on in the background


@dataclass
class _Background:
    """The installation and the check of this Blender, if there are any, and what the last ones gave."""

    installation: install.Installation | None = None
    checking: threading.Thread | None = None
    report: check.Report | None = None
    stop: bool = False

    @property
    def busy(self) -> bool:
        installing = self.installation is not None and self.installation.running
        return installing or (self.checking is not None and self.checking.is_alive())


_background = _Background()


def _redraw() -> float | None:
    """A timer of Blender's: draws the preferences anew until nothing goes on any more."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
    return REDRAW_SECONDS if _background.busy else None


def _watch() -> None:
    if not bpy.app.background and not bpy.app.timers.is_registered(_redraw):
        bpy.app.timers.register(_redraw, first_interval=REDRAW_SECONDS)


def wheel_file() -> Path:
    """The engine's wheel that this add-on carries.

    Raises:
        WorkerError: it is not there, as in an add-on that was not built by ``build.py package``.
    """
    wheels = sorted((Path(__file__).parent / "engine_wheel").glob("fscs_engine-*.whl"))
    if not wheels:
        raise strings.error("worker", strings.NO_WHEEL)
    return wheels[-1]


def installation_plan() -> install.Plan:
    """What Install Engine would do with the preferences as they are.

    Raises:
        WorkerError: the add-on carries no engine.
    """
    wheel = wheel_file()
    chosen = settings.get()
    return install.Plan(
        wheel=wheel,
        constraints=wheel.parent / "constraints.txt",
        version=__version__,
        folder=install.data_folder(),
        pythons=install.candidate_pythons(chosen.base_python, sys.executable),
        cpu_only=chosen.torch_build == "CPU",
        source=chosen.package_source,
        place=chosen.engine_folder,
        environment=clean_environment(),
    )


class InstallEngine(bpy.types.Operator):
    """The button *Install Engine*."""

    bl_idname = "soft_color_segment.install_engine"
    bl_label, bl_description = strings.INSTALL_ENGINE

    def execute(self, _context: Any) -> set[Any]:
        """Starts the installation; without a window waits for its end."""
        try:
            plan = installation_plan()
        except WorkerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if _background.busy:
            self.report({"WARNING"}, strings.UNDER_WAY_ALREADY)
            return {"CANCELLED"}
        if not plan.offline and not bpy.app.online_access:
            self.report({"ERROR"}, online_text())
            return {"CANCELLED"}
        engine.disconnect()
        _background.report = None
        _background.installation = installation = install.Installation(plan)
        installation.start()
        _watch()
        if bpy.app.background:
            _follow(installation)
            if installation.error is not None:
                self.report({"ERROR"}, str(installation.error))
                return {"CANCELLED"}
        return {"FINISHED"}


def _follow(installation: install.Installation) -> None:
    """Waits for the end and prints what goes on."""
    said = ""
    while installation.running:
        installation.wait(REDRAW_SECONDS)
        if installation.message != said:
            said = installation.message
            print(f"{strings.NAME}: {installation.fraction:4.0%}  {said}", flush=True)


class CancelInstallation(bpy.types.Operator):
    """The button *Cancel*."""

    bl_idname = "soft_color_segment.cancel_installation"
    bl_label, bl_description = strings.CANCEL_INSTALLATION

    def execute(self, _context: Any) -> set[Any]:
        """Asks the installation to stop."""
        if _background.installation is not None:
            _background.installation.cancel()
        return {"FINISHED"}


class RemoveEngine(bpy.types.Operator):
    """The button *Remove*."""

    bl_idname = "soft_color_segment.remove_engine"
    bl_label, bl_description = strings.REMOVE_ENGINE

    def invoke(self, context: Any, event: Any) -> set[Any]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: Any) -> set[Any]:
        """Ends the engine's process and removes its environment."""
        if _background.busy:
            self.report({"WARNING"}, strings.UNDER_WAY_ALREADY)
            return {"CANCELLED"}
        engine.disconnect()
        _background.report, _background.installation = None, None
        try:
            install.remove(install.data_folder(), __version__)
        except OSError as error:
            self.report({"ERROR"}, strings.NOT_REMOVED.format(path=error.filename, error=error.strerror))
            return {"CANCELLED"}
        return {"FINISHED"}


class CheckEngine(bpy.types.Operator):
    """The button *Check*."""

    bl_idname = "soft_color_segment.check_engine"
    bl_label, bl_description = strings.CHECK_ENGINE

    def execute(self, _context: Any) -> set[Any]:
        """Starts the check; without a window waits for its end and reports what was found."""
        if _background.busy:
            self.report({"WARNING"}, strings.UNDER_WAY_ALREADY)
            return {"CANCELLED"}
        try:
            python = engine.python_path()
        except WorkerError as error:
            _background.report = check.Report(False, wrong=(error.message,), cure=error.cure)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        _background.report = None
        _background.stop = False
        _background.checking = threading.Thread(
            target=_check, args=(python,), name="soft-color-segment-check", daemon=True
        )
        _background.checking.start()
        _watch()
        if not bpy.app.background:
            return {"FINISHED"}
        _background.checking.join()
        return self._report()

    def _report(self) -> set[Any]:
        found = _background.report
        if found is None or not found.works:
            wrong = (strings.CHECK_BROKE_OFF,) if found is None else (*found.wrong, found.cure)
            self.report({"ERROR"}, ": ".join(wrong))
            return {"CANCELLED"}
        for line in found.lines:
            self.report({"INFO"}, line)
        return {"FINISHED"}


def _check(python: Path) -> None:
    _background.report = check.examine(
        python, __version__, environment=clean_environment(), stop=lambda: _background.stop
    )


class OpenLog(bpy.types.Operator):
    """The button *Show Logs*."""

    bl_idname = "soft_color_segment.open_log"
    bl_label, bl_description = strings.OPEN_LOG

    def execute(self, _context: Any) -> set[Any]:
        """Opens the folder in the system's file browser."""
        folder = install.data_folder()
        if not folder.is_dir():
            self.report({"INFO"}, strings.NO_LOG)
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(folder))
        return {"FINISHED"}


def online_text() -> str:
    """Why nothing can be downloaded and what to do, in Blender's own words."""
    if bpy.app.online_access_override:
        return strings.OFFLINE_MODE
    return strings.NOT_ONLINE


# Drawing


def _draw_engine(box: bpy.types.UILayout, chosen: Preferences) -> None:
    row = box.row()
    row.label(text=strings.ENGINE, icon="SETTINGS")
    right = row.row()
    right.alignment = "RIGHT"
    right.operator("soft_color_segment.help", icon="HELP")
    right.operator("soft_color_segment.copy_report", icon="COPYDOWN")
    right.operator(OpenLog.bl_idname, icon="TEXT")
    installation = _background.installation
    if installation is not None and installation.running:
        row = box.row()
        row.progress(factor=installation.fraction, text=installation.message)
        row.operator(CancelInstallation.bl_idname, icon="X")
        return
    _draw_state(box, installation)
    column = box.column()
    column.use_property_split = True
    if os.environ.get(engine.PYTHON_VARIABLE):
        column.label(text=strings.USED_ENVIRONMENT.format(variable=engine.PYTHON_VARIABLE), icon="INFO")
    column.prop(chosen, "engine_python")
    buttons = box.row()
    buttons.operator(CheckEngine.bl_idname, icon="CHECKMARK")
    installed = install.installed_python(install.data_folder(), __version__) is not None
    buttons.operator(
        InstallEngine.bl_idname, icon="IMPORT", text=strings.INSTALL_AGAIN if installed else strings.INSTALL_ENGINE[0]
    )
    if installed:
        buttons.operator(RemoveEngine.bl_idname, icon="TRASH")
    if not bpy.app.online_access and not package_source.is_folder(chosen.package_source):
        warning = box.row()
        warning.label(text=strings.ONLINE_NEEDED, icon="INTERNET_OFFLINE")
        if not bpy.app.online_access_override:
            warning.operator("extensions.userpref_allow_online", text=strings.ALLOW_ONLINE)
    column = box.column()
    column.use_property_split = True
    column.row().prop(chosen, "torch_build", expand=True)
    if not package_source.is_folder(chosen.package_source):
        column.label(text=str(package_source.sizes(cpu_only=chosen.torch_build == "CPU")))
    column.prop(chosen, "base_python")
    column.prop(chosen, "package_source")
    column.prop(chosen, "engine_folder")


def _draw_state(box: bpy.types.UILayout, installation: install.Installation | None) -> None:
    """What the engine is, or what is wrong with it, in lines that fit."""
    found = _background.report
    try:
        python = engine.python_path()
    except WorkerError as error:
        python = None
        _draw_wrong(box, (error.message,), error.cure)
    if installation is not None and installation.error is not None:
        _draw_wrong(box, (installation.error.message,), installation.error.cure)
    elif installation is not None and installation.cancelled:
        box.label(text=strings.INSTALLATION_CANCELLED, icon="INFO")
    if _background.checking is not None and _background.checking.is_alive():
        box.label(text=strings.CHECKING, icon="TIME")
    elif found is not None and python is not None:
        column = box.column(align=True)
        for number, line in enumerate(found.lines):
            column.label(text=line, icon="CHECKMARK" if found.works and number == 0 else "BLANK1")
        if not found.works:
            _draw_wrong(box, found.wrong, found.cure)
    elif python is not None:
        box.label(text=str(python), icon="CHECKMARK")


def _draw_wrong(box: bpy.types.UILayout, wrong: tuple[str, ...], cure: str) -> None:
    column = box.column(align=True)
    for number, text in enumerate((*wrong, cure)):
        for part, line in enumerate(wrapped(text, LINE)):
            first = number == 0 and part == 0
            column.label(text=line, icon="ERROR" if first else "BLANK1")


CLASSES = (Preferences, InstallEngine, CancelInstallation, RemoveEngine, CheckEngine, OpenLog)


def register() -> None:
    """Makes the preferences and their buttons known to Blender."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Stops what goes on and takes them away."""
    if _background.installation is not None:
        _background.installation.cancel()
    _background.stop = True
    if bpy.app.timers.is_registered(_redraw):
        bpy.app.timers.unregister(_redraw)
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
