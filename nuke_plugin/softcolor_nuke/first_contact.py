"""What a node that was just made begins with: a place for its files, the range of its image, the working space."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any, Optional

import nuke

from . import upstream, working_space


def made_by_user() -> None:
    """Called by Nuke for each node that an artist makes, but not for those that are loaded or pasted."""
    node = nuke.thisNode()
    if isinstance(node, nuke.Group) and upstream.is_ours(node) and not node["cache_file"].value():
        prepare(node)


def prepare(node: nuke.Group) -> None:
    """Sets what the script says about a new node."""
    space = script_space()
    if space:
        node["working_space"].setValue(space)
    set_range(node)
    place(node)


def script_space() -> Optional[str]:
    """The working space of the script, None where it is none of those that the node has, or not known."""
    root = nuke.root()
    management, config, name = (
        str(root[knob].value()) if root.knob(knob) else ""
        for knob in ("colorManagement", "OCIO_config", "workingSpaceLUT")
    )
    if (management, config) == ("OCIO", "custom"):
        path: Any = root.knob("customOCIOConfigPath")
        config = str(path.getEvaluatedValue() or "" if path else "") or os.environ.get("OCIO", "")
        name = working_space.role_of(_text(config), name) or name
    return working_space.of_script(management, config, name)


def _text(config: str) -> str:
    """The text of an OCIO configuration's file; empty where there is none, as for those that OCIO brings itself."""
    try:
        return _read(config, os.stat(config).st_mtime_ns)  # noqa: PTH116
    except OSError:
        return ""


@functools.lru_cache(maxsize=1)
def _read(path: str, _: int) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")


def set_range(node: nuke.Group) -> None:
    """First Frame and Last Frame as the image has them, or the project where there is no image."""
    above = node.input(0) or nuke.root()
    node["first_frame"].setValue(int(above.firstFrame()))
    node["last_frame"].setValue(int(above.lastFrame()))


def place(node: nuke.Group) -> None:
    """A place for the files beside the script. The node's name in it is its own, so that a copy has its own files."""
    script = str(nuke.root()["name"].value())
    if script:
        folder = re.sub(r"([\[\]$])", r"\\\1", (Path(script).parent / "softcolor" / Path(script).stem).as_posix())
        view = "_%V" if len(nuke.views()) > 1 else ""
        node["cache_file"].setValue(f"{folder}/[value name]/layers{view}.%04d.exr")
