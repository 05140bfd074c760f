# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of the preferences, for every part that needs one; ``preferences.py`` has their texts and their panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy


@dataclass(frozen=True)
class Defaults:
    """What counts while the preferences can't be asked, as where the add-on is registered but not enabled.

    Attributes:
        engine_python: the Python that has the engine, empty for the private one.
        base_python: the Python to make the engine's environment with, empty to look for one.
        torch_build: "CPU" or "STANDARD".
        package_source: an index's address or a folder of wheels.
        engine_folder: where the engine's environment is made, empty for the user's folder for data.
        cache_directory: where layers are kept, empty for beside the .blend.
        memory_limit: MiB of layers that are kept in memory.
    """

    engine_python: str = ""
    base_python: str = ""
    torch_build: str = "CPU"
    package_source: str = ""
    engine_folder: str = ""
    cache_directory: str = ""
    memory_limit: int = 1024


DEFAULTS = Defaults()


def get(context: bpy.types.Context | None = None) -> Any:
    """The add-on's preferences, or the defaults: either has the attributes of :class:`Defaults`."""
    addon = (context or bpy.context).preferences.addons.get(__package__)
    found = None if addon is None else addon.preferences
    return DEFAULTS if found is None else found
