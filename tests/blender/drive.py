"""Runs a script in ``bpy`` with the add-on registered and enabled: ``drive.py SCRIPT ARGUMENTS…``, or in a full Blender
``blender -b --factory-startup --python drive.py -- SCRIPT ARGUMENTS…``.

The script finds its arguments in ``sys.argv[1:]`` and hands its result to ``report(value)``, which prints it as JSON.
Some versions of ``bpy`` hang or crash when Python ends by itself, so this ends the process as soon as the script is
done: status 0, or 1 after a traceback.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from pathlib import Path

import bpy

ADDON = "soft_color_segment"
MARK = "RESULT "


def report(value: object) -> None:
    """Prints the script's result."""
    print(f"{MARK}{json.dumps(value)}", flush=True)


def main() -> int:
    """Runs the script. Returns the status of the process."""
    del sys.argv[: sys.argv.index("--") + 1 if "--" in sys.argv else 1]
    try:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        # What Blender does when an add-on is enabled, without a folder of Blender's own for it to lie in.
        bpy.context.preferences.addons.new().module = ADDON
        __import__(ADDON).register()
        runpy.run_path(sys.argv[0], init_globals={"report": report}, run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    if "--" not in sys.argv:
        sys.path.pop(0)  # this folder
    sys.path.insert(0, str(Path(os.environ["SCS_ADDON_FOLDER"])))
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
