"""What a node says when something is wrong. ``messages.py PICTURE [draw]``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import tree as t
from soft_color_segment import cache, engine, trees, ui


def failure(name: str, node: object) -> str:
    """The message of a button that fails."""
    try:
        t.press(name, node)
    except RuntimeError as error:
        return str(error)
    return ""


tree = t.compositor()
node = t.soft(tree)
found = {}
if len(sys.argv) > 2:
    tree.links.new(t.image_node(tree, sys.argv[1]).outputs["Image"], node.inputs["Image"])
    failure("segment", node)
    report({"message": ui.status(node)[0], "failed": node.failed, "outputs": len(node.outputs)})  # noqa: F821
    sys.exit()
found["unlinked"] = failure("segment", node)
picture = t.image_node(tree, sys.argv[1])
tree.links.new(picture.outputs["Image"], node.inputs["Image"])
tree.links.new(picture.outputs["Image"], node.inputs["Mask"])
found["mask"] = [sorted(t.press("segment", node)), [entry.masked for entry in node.palette][:2]]
tree.links.remove(node.inputs["Mask"].links[0])

t.kill_when_at_work(engine.connect(None))
found["killed"] = failure("segment", node)
t.press("segment", node)
found["after"] = node.message
node.smoothing = 3
found["stale"] = ui.status(node)[0]
t.press("segment", node)
blend = str(Path.cwd() / "messages.blend")
unsaved = cache.folder(node)
bpy.ops.wm.save_as_mainfile(filepath=blend)
for folder in (unsaved, cache.folder(node)):  # a copy would come back from the first
    for file in folder.glob("*.exr"):
        file.unlink()
bpy.ops.wm.open_mainfile(filepath=blend)
tree = t.scene_tree(bpy.context.scene)
(node,) = trees.all_nodes()
found["deleted"] = ui.status(node)[0]
picture = node.inputs["Image"].links[0].from_node
t.press("segment", node)
folder = cache.folder(node)
counts = [len(list(folder.glob("*.exr")))]
t.press("clear_cache", node)
found["cleared"] = [*counts, len(list(folder.glob("*.exr")))]
picture.image.filepath = str(Path.cwd() / "gone.png")
found["missing file"] = failure("segment", node)
report(found)  # noqa: F821  # given by drive.py
