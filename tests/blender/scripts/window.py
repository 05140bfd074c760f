"""Pictures of the node in Blender's window, to be looked at and for the documentation. Blender 5.0 or newer:

    blender -p 0 0 1600 1000 --python tests/blender/scripts/window.py

with the extension installed, FSCS_PYTHON naming the engine, SCS_PHOTO a photograph, SCS_PICTURES a folder. Pictures
are taken by whoever owns the screen: this makes the file that REAL_BLENDER_SHOT names, waits until it is gone, takes
away what then lies at SCS_PICTURE. Blender's own screenshots are black where there is no graphics card.
"""

import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import bpy

MODULE = "bl_ext.user_default.soft_color_segment"
WISH = Path(os.environ["REAL_BLENDER_SHOT"])
PICTURE = Path(os.environ["SCS_PICTURE"])
FOLDER = Path(os.environ["SCS_PICTURES"])
PHOTO = os.environ["SCS_PHOTO"]


def take(name: str) -> Iterator[float]:
    """Asks for a picture and keeps it."""
    PICTURE.unlink(missing_ok=True)
    WISH.touch()
    while WISH.exists():
        yield 0.2
    shutil.move(PICTURE, FOLDER / f"{name}.png")
    print(f"{name}.png", flush=True)


def steps() -> Iterator[float]:
    """What is done, and how many seconds Blender gets after each step."""
    bpy.context.preferences.view.show_splash = False
    yield 1.0
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.screen.screen_full_area()
    yield 1.0
    area = window.screen.areas[0]
    area.ui_type = "CompositorNodeTree"
    space = area.spaces[0]
    space.show_region_ui = space.show_region_asset_shelf = False
    scene = bpy.context.scene
    tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    picture = tree.nodes.new("CompositorNodeImage")
    picture.image = bpy.data.images.load(PHOTO)
    viewer, output = tree.nodes.new("CompositorNodeViewer"), tree.nodes.new("NodeGroupOutput")
    node = tree.nodes.new("CompositorNodeSoftColorSegment")
    for each, place in ((picture, (-220, 40)), (viewer, (330, 40)), (output, (330, -90)), (node, (20, 200))):
        each.location, each.select = place, each is node
    tree.nodes.active = node
    tree.links.new(picture.outputs["Image"], node.inputs["Image"])
    tree.links.new(node.outputs["Combined"], viewer.inputs[0])
    tree.links.new(node.outputs["Combined"], output.inputs[0])
    scene.render.resolution_x, scene.render.resolution_y = picture.image.size
    yield 1.0
    region = next(region for region in area.regions if region.type == "WINDOW")
    here = {"window": window, "area": area, "region": region}
    with bpy.context.temp_override(**here):
        bpy.ops.node.view_all()
    yield 1.5
    with bpy.context.temp_override(**here):
        bpy.ops.view2d.pan(deltax=310)
    space.show_backdrop = True
    space.backdrop_zoom, space.backdrop_offset[0] = 0.9, 480
    yield 1.0
    yield from take("new")

    with bpy.context.temp_override(**here):
        bpy.ops.soft_color_segment.segment("INVOKE_DEFAULT", node=node.uid)
    pictured = False
    while node.busy:
        yield 0.1
        if node.busy and node.fraction > 0.1 and not pictured:
            pictured = True
            yield 1.0  # for the window to show it
            yield from take("segmenting")
    print(node.message, flush=True)
    yield 3.0
    yield from take("segmented")

    tree.links.new(node.outputs["Layer 3"], viewer.inputs[0])
    yield 3.0
    yield from take("layer")
    bpy.ops.soft_color_segment.name_outputs(node=node.uid)
    space.backdrop_offset[0] = 280
    space.show_region_ui = True
    yield 1.0
    for sidebar in area.regions:
        if sidebar.type == "UI":
            sidebar.active_panel_category = "Node"
    yield 2.0
    yield from take("sidebar")
    space.show_region_ui = False

    bpy.ops.screen.userpref_show("INVOKE_DEFAULT", section="ADDONS")
    bpy.context.window_manager.addon_search = "Soft Color"
    yield 2.0
    bpy.ops.preferences.addon_expand(module=MODULE)
    bpy.ops.soft_color_segment.check_engine()
    while import_module(MODULE + ".preferences")._background.busy:
        yield 0.3
    yield 1.5
    yield from take("preferences")
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[-1]):
        bpy.ops.wm.window_close()
    yield 1.5

    # The last one: a menu stays open until someone clicks.
    with bpy.context.temp_override(**here):
        bpy.ops.wm.call_menu("INVOKE_DEFAULT", name="NODE_MT_category_compositor_color")
    yield 1.5
    yield from take("menu")


_steps = steps()


def step() -> float:
    """One step; the last ends Blender."""
    try:
        return next(_steps)
    except StopIteration:
        status = 0
    except Exception:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)


bpy.app.timers.register(step, first_interval=2.0)
