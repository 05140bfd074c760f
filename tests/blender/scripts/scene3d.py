"""A node behind Render Layers, and a 3D scene that changes. ``scene3d.py make|render|simulate|trust FOLDER``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import bpy
import tree as t
from soft_color_segment import trees, ui
from soft_color_segment.scene_print import scene_print

what, folder = sys.argv[1], Path(sys.argv[2])
blend = folder / "scene.blend"


def paint(name: str, gray: float) -> Path:
    """A picture in a file."""
    file = folder / name
    image = bpy.data.images.new("Painted", 8, 8)
    image.generated_color = (gray, gray, gray, 1.0)
    image.filepath_raw, image.file_format = str(file), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return file


def displaced(thing: Any, image: Any) -> None:
    """A texture that decides the shape of an object."""
    texture = bpy.data.textures.new(image.name, "IMAGE")
    texture.image = image
    thing.modifiers.new(image.name, "DISPLACE").texture = texture


def make() -> None:
    """A monkey that is animated, and a cube that is not."""
    scene = bpy.context.scene
    tree = t.compositor(32, 24)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.device = 1, False, "CPU"
    bpy.ops.mesh.primitive_monkey_add()
    monkey = bpy.context.object
    for frame in (1, 2):
        monkey.rotation_euler[2] = 0.3 * frame
        monkey.keyframe_insert("rotation_euler", frame=frame)
    bpy.ops.mesh.primitive_cube_add(location=(1.5, 1.0, 0.5))
    cube = bpy.context.object
    cube.name = "Cube"
    cube.data.materials.append(bpy.data.materials.new("Paint"))
    displaced(cube, bpy.data.images.load(str(paint("wood.png", 0.6))))
    tiles = bpy.data.images.load(str(paint("tile.1001.png", 0.6)))
    tiles.source, tiles.filepath = "TILED", str(folder / "tile.<UDIM>.png")
    displaced(cube, tiles)
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=40, y_subdivisions=40, location=(0.0, 9.0, 0.0))
    grid = bpy.context.object
    grid.name = "Grid"
    grid.vertex_groups.new(name="Group").add([1600], 0.5, "REPLACE")
    bpy.ops.object.light_add(type="SUN", location=(2, -3, 4))
    bpy.ops.object.camera_add(location=(0, -5, 0), rotation=(1.5708, 0, 0))
    scene.camera = bpy.context.object
    scene.world = bpy.data.worlds.new("World")
    scene.frame_start, scene.frame_end = 1, 2
    node = t.soft(tree, tree.nodes.new("CompositorNodeRLayers").outputs["Image"])
    node.colors, node.name = 2, "Soft"
    tree.links.new(t.total(tree, node), t.output(tree))
    scene.render.filepath = str(folder / "out_####")


def said(node: Any) -> str:
    return str(ui.status(node)[0])


def edits(scene: Any) -> dict[str, Callable[[], object]]:
    """Changes that a render shows, each of another kind."""
    cube, sun = bpy.data.objects["Cube"], next(each for each in bpy.data.objects if each.type == "LIGHT")

    def move() -> None:
        cube.location[0] += 0.5

    def mesh() -> None:
        cube.data.vertices[0].co[0] += 1.0
        cube.data.update()

    def key() -> None:
        monkey = next(each for each in bpy.data.objects if each.animation_data)
        monkey.rotation_euler[2] = 1.0
        monkey.keyframe_insert("rotation_euler", frame=2)

    def hide() -> None:
        cube.hide_render = not cube.hide_render

    def modifier() -> None:
        cube.modifiers.new("Bevel", "BEVEL").width = 0.2

    def layer() -> None:
        bpy.context.view_layer.use_sky = not bpy.context.view_layer.use_sky

    return {
        "object": move,
        "mesh": mesh,
        "material": lambda: setattr(bpy.data.materials["Paint"], "diffuse_color", (1.0, 0.0, 0.0, 1.0)),
        "world": lambda: setattr(scene.world, "color", (1.0, 0.0, 0.0)),
        "light": lambda: setattr(sun.data, "energy", 5.0),
        "camera": lambda: setattr(scene.camera.data, "lens", 80.0),
        "animation": key,
        "visibility": hide,
        "modifier": modifier,
        "samples": lambda: setattr(scene.cycles, "samples", 2),
        "size": lambda: setattr(scene.render, "resolution_x", 40),
        "view layer": layer,
        "texture": lambda: paint("wood.png", 0.7),
        "tile of a texture": lambda: paint("tile.1001.png", 0.7),
        "weight": lambda: bpy.data.objects["Grid"].vertex_groups[0].add([1600], 0.9, "REPLACE"),
        "visibility to a kind of ray": lambda: setattr(cube, "visible_camera", False),
    }


if what == "make":
    make()
    scene = bpy.context.scene
    node = trees.all_nodes()[0]
    t.press("segment", node)
    found: dict[str, Any] = {"before": said(node)}
    first = scene_print(scene).digest
    same = {"frame": lambda: scene.frame_set(2), "back": lambda: scene.frame_set(1)}
    same["chosen"] = lambda: bpy.data.objects["Cube"].select_set(True)
    same["written elsewhere"] = lambda: setattr(scene.render, "filepath", "//elsewhere_")
    same["range"] = lambda: setattr(scene, "frame_end", 9)
    same["copied texture"] = lambda: os.utime(folder / "wood.png", (1.0, 1.0))
    same["another add-on"] = lambda: setattr(bpy.types.Object, "of_another_addon", bpy.props.IntProperty())
    same["settings of another add-on"] = lambda: setattr(
        bpy.types.Scene, "of_another_addon", bpy.props.PointerProperty(type=bpy.types.Object)
    )
    found["same"] = {}
    for name, change in same.items():
        change()
        found["same"][name] = scene_print(scene).digest == first
    scene.frame_end, scene.render.filepath = 2, str(folder / "out_####")
    found["filled"] = sorted(t.press("fill_cache", node))
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    node = trees.all_nodes()[0]
    found["loaded"] = [said(node), scene_print(scene).digest == first]
    found["edits"] = {}
    textures = {file: file.read_bytes() for file in folder.glob("*.png")}
    for name, edit in edits(scene).items():
        before = scene_print(scene).digest
        edit()
        bpy.context.view_layer.update()
        found["edits"][name] = scene_print(scene).digest != before
    found["after"] = said(node)
    for file, content in textures.items():
        file.write_bytes(content)
    report(found)  # noqa: F821  # given by drive.py
    sys.exit()
bpy.types.Scene.of_a_farm = bpy.props.IntProperty()  # another machine has other add-ons
bpy.ops.wm.open_mainfile(filepath=str(blend))
scene = bpy.context.scene
node = trees.all_nodes()[0]
if what == "move":
    bpy.data.objects["Cube"].location[0] -= 1.0
elif what == "simulate":
    bpy.data.objects["Cube"].modifiers.new("Cloth", "CLOTH")
    t.press("fill_cache", node)
elif what == "trust":
    node.trust_scene = True
else:
    bpy.ops.render.render(animation=True)
    report(len(list(folder.glob("out_*.exr"))))  # noqa: F821
    sys.exit()
bpy.ops.wm.save_mainfile()
report(said(node))  # noqa: F821
