# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text that an artist reads, but for the parameters' own, which are in the parameter table.

Buttons are (label, tooltip), choices are {identifier: (label, tooltip)}, errors are (what is wrong, what to do).
"""

from __future__ import annotations

from .fscs.parameters import PALETTE_FRAMES
from .fscs.protocol import WorkerError

NAME = "Soft Color Segment"
NODE_TOOLTIP = "Split the image into layers, one for each color of the palette, that add up to it"
FILL_COMMAND = "blender -b FILE --command soft_color_segment"

# Controls

CHOICES = {
    "palette_method": {
        "kmeans": ("K-Means", "Find the colors of the large areas"),
        "salient": ("Salient", "Also give small areas of strong color a color of their own"),
    },
    "mask_mode": {
        "limit": ("Limit", "Multiply the layer by the mask. The other layers take what it loses"),
        "split": ("Split", "Share two layers by the mask: the first where it is white, the second where it is black"),
    },
    "device": {
        "auto": ("Automatic", "Use a GPU if there is one"),
        "cpu": ("CPU", "Use the CPU"),
        "cuda": ("CUDA", "Use an NVIDIA GPU"),
        "mps": ("Metal", "Use the GPU of a Mac"),
    },
    "precision": {
        "auto": ("Automatic", "Use what the models were made for: 32-bit float"),
        "float32": ("32-bit Float", "Compute in full precision"),
        "float16": ("16-bit Float", "Compute in half precision, for GPUs"),
        "bfloat16": ("16-bit BFloat", "Compute in half precision with the range of 32 bits, for newer GPUs"),
    },
}
"""Of the parameter table's choices."""

PASS_MODES = {
    "ADDITIVE": ("Additive", "Recombine the layers with Add, in any order, or with Disjoint Over"),
    "OVER": ("Over", "Stack the layers with Alpha Over, Layer 1 at the bottom"),
}
PASSES = ("Passes", "Choose how to recombine the layers")
RECOLORED = ("Recolored", "Show the image with the edits of its layers")
RECOLORED_NEEDS_ADDITIVE = "Recolored shows no edits: it needs Passes: Additive"
EDITS_NOT_DRIVEN = "Recolored follows keyframes of its edits, but no drivers and no NLA strips"
RECOLOR_PANEL = "Recolor"
RECOLOR_LAYER = ("Layer", "Choose the layer whose edits are shown below")
HAS_COLOR = ("New Color", "Move the palette color of the layer to the color beside")
OPACITY_SHOWS = {
    "others": ("Others", "Show the other layers, in proportion to their alpha there"),
    "black": ("Black", "Show black"),
}
VIEW = ("View", "Choose what the output View shows")
VIEWS = {
    "layers": ("Image", "Show the image itself"),
    "recomposition": ("Recomposition", "Show the layers put together again, as Passes says"),
    "error": ("Error", "Show how much that differs from the image, multiplied by Error Gain"),
    "one layer": ("One Layer", "Show one layer alone"),
    "alpha sheet": ("Alpha Sheet", "Show the alphas of all layers side by side, made smaller"),
    "one alpha": ("One Alpha", "Show the alpha of one layer in gray"),
}
VIEW_LAYER = ("Layer", "Set the number of the layer that View shows")
ERROR_GAIN = ("Error Gain", "Multiply the error that View shows. Higher values make small errors visible")
COLOR = ("Color", "Set the color of this layer, as it looks on the screen (sRGB)")
COLOR_NAME = ("Name", "Name this color, for palette files and outputs. Empty: what it looks like")
LOCK = ("Lock", "Keep this color when Auto Palette finds the others")
FOUND = ("Found", "Show whether this color was chosen or found")
MASKED = ("Masked", "Apply the mask to this layer. Mode Split takes the first two marked layers")
REPAIR_NAN = ("Repair NaN", "Replace NaN and infinity in the image by the mean of their neighbors")
TURN_ON_REPAIR = "fix the render, or turn on Repair NaN in the sidebar"
AUTO_UPDATE = (
    "Auto Update",
    "Compute the layers again a moment after a control changed, first at preview size. Renders nothing for it: after "
    "the input changed, press Segment",
)
SEED = ("Seed", "Change the seed to get another automatic palette")
PALETTE_PANEL = "Palette"
ALPHA_PANEL = "Alpha"
LAYERS_PANEL = "Layers"
COMBINED = "Combined"
LAYER = "Layer {number}"

# Buttons

SEGMENT = ("Segment", "Compute the layers of this frame")
AUTO_PALETTE = ("Auto Palette", "Find the palette of this frame. Locked colors stay")
RANGE_PALETTE = (
    "Auto Palette of the Range",
    f"Find one palette for the frame range of the scene, in up to {PALETTE_FRAMES} of its frames. Locked colors stay",
)
FILL_CACHE = ("Fill Cache", "Compute the layers of every frame, so that the scene renders on any computer")
FREEZE = ("Freeze to EXR", "Replace the node with a plain group that reads EXR files and renders without this add-on")
CANCEL = ("Cancel", "Stop the computation of this node")
IMPORT_PALETTE = ("Import Palette", "Load the colors of a palette file: JSON, GIMP palette or a list of hex colors")
EXPORT_PALETTE = ("Export Palette", "Save the colors as a palette file: .json, .gpl or .txt")
PRESETS = ("Presets", "Set the controls from a saved preset")
SAVE_PRESET = ("Save Preset", "Save the controls under a name, for other nodes, Nuke and the command line")
OVERWRITE = ("Replace", "Replace a preset of this name")
TURN_ON_REPLACE = "choose another name, or turn on Replace"
PRESET_SAVED = "Saved {file}"
BUILD_RECOMBINE = (
    "Build Recombine Tree",
    "Add nodes that put the layers together again, as Passes says, and link them wherever Combined is linked",
)
SHOW_VIEW = ("Show View", "Connect the output View to a Viewer node, which is added where there is none")
VIEW_NOT_FROZEN = ("the output View is connected to {name}, but is for looking only", "connect another output")
ADD_RECOLOR_TREE = (
    "Add Recolor Tree",
    "Add a node group that adjusts each layer and adds what changes to the image. It holds the edits of the node, can "
    "be changed like any group, and stays when the node is frozen",
)
LOAD_LOOK = ("Load Look", "Load the edits of all layers from a look file, in the place of those that are set")
SAVE_LOOK = ("Save Look", "Save the edits of all layers as a look file, for other nodes, Nuke and the command line")
RECOLOR_TREE = "{name}: recolored"
FIXED_EDITS = "Edits of the node"
ADJUSTMENT = "Adjust Color Layer"
ADJUSTMENT_LAYER = "Layer"
ADJUSTMENT_CHANGE = "Change"
TREE_NEEDS_ADDITIVE = ("the layers are stacked, and can't be recolored one by one", "choose Passes: Additive")
SHOW_LAYER = ("Connect to Viewer", "Connect this layer to a Viewer node, which is added where there is none")
RECOMBINED = "{name}: layers put together"
NEEDS_OVER = "Alpha Over needs Passes: Over. Additive layers are added"
NEEDS_ADDITIVE = "Add needs Passes: Additive. Over layers are put over each other"
OPEN_PREFERENCES = ("Open Preferences", "Open the preferences of Soft Color Segment, where the engine is installed")
CACHE_SIZE = "{there} of {count} frames, {size} on disk: {frames}"
CACHE_EMPTY = "Nothing in the cache yet"
USED_ENVIRONMENT = "{variable} is set: it wins over the Python below"
MAKE_SINGLE_USER = ("Make Single-User", "Give each use of the group a copy of its own, with layers of its own")
CLEAR_CACHE = ("Clear Cache", "Delete the cache files of this node")
PICK_COLOR = ("Pick Color", "Pick this color from an image: click in an Image Editor or in the backdrop")
PICKING = "Click on a color in an Image Editor or in the backdrop     Esc, right mouse button: cancel"
FRAMES = ("Frames", "Set the frames, as in 1-100 or 1-9,20. Empty: the frame range of the scene")
FRAMES_IN_A_ROW = ("Frames", "Set the frames, as in 1-100. Empty: the frame range of the scene")
PRESET = "Preset"

HELP = ("Help", "Open the manual of this version in the browser. It needs no network")
COPY_REPORT = (
    "Copy Report",
    "Copy what the report of a problem needs: versions, the system, what the nodes say, and the end of the log",
)
REPORT_COPIED = "Copied: paste it into your report"

# What the node says

UP_TO_DATE = "Up to date"
STALE = "Stale: press Segment"
PRESS_SEGMENT = "Press Segment"
LINK_AN_IMAGE = "Connect an image"
NOT_IN_LIBRARY_CACHE = "No layers in its cache"
CHANGED_MEANWHILE = "The number of colors or the frame changed: press Segment"
FRAME_NOT_COMPUTED = "Frame {frame} is not segmented: press Segment"
CACHE_NOT_BROUGHT = "The cache could not be moved along ({error}): press Segment"
CANCELLED = "Cancelled"
CANCELLING = "Cancelling"
LINKED_FROM = "Linked from {file}"
LINKED_BUTTON = "Linked from {file}: open that file, or append it"
AT_WORK = "This node is busy: press Cancel first"
NOTHING_UNDER_WAY = "Nothing is running"
SELECT_A_NODE = "Select a Soft Color Segment node"
FRAMES_COMPUTED = "{count} frames computed"
FRAMES_LOOKED_AT = "Palette of {count} frames"
FRAMES_REMOVED = "{count} frames removed"
FROZEN = "{name} is now a plain group"
NO_PRESETS = "There are no presets yet: press Save Preset"
FREEZE_FIRST = "This Blender crashes on this file if the add-on is missing: freeze the node first."
FREEZE_FIRST_BLACK = "Where the add-on is missing, the layers are transparent black: freeze the node first."
NOT_FROZEN_TITLE = "Not frozen"
NOT_FROZEN = (
    "Blender {version} without the Soft Color Segment add-on crashes when it renders this file. "
    "Press Freeze to EXR before you pass it on."
)
NOT_FROZEN_BLACK = (
    "Blender {version} without the Soft Color Segment add-on renders the layers of this file as transparent black. "
    "Press Freeze to EXR before you pass it on."
)
NOTE_NAME = "Needs Soft Color Segment"
NOTE = """\
This file uses the add-on Soft Color Segment, version {version}.

Its compositor nodes take images apart into color layers. Without the add-on Blender 4.5 and 5.0 crash when they render
this file, and later versions render the layers as transparent black.

Install the add-on: Edit > Preferences > Get Extensions > Install from Disk.
Or open the file where it is installed and press Freeze to EXR on each of these nodes:

{nodes}
"""
NO_PASSES_TITLE = "No passes for a frame"
NOT_KEPT = "The layers can't be stored in {folder} ({error}): choose another cache folder"

NOT_WATCHED = "{said} (not watched: {what})"
RIGID_BODIES = "Rigid Bodies"
SIMULATION_NODES = "Simulation Nodes"
IN_EDIT_MODE = "{name} in Edit Mode"
KEYED_SHAPES = "keyed shapes of {name}"
TRUST_SCENE = (
    "Trust the Scene",
    "Render the layers in the cache although they come from a simulation or keyed shapes, whose changes can't be seen",
)

# Progress

STARTING = "Starting the engine"
FINISHING = "Fetching the layers"
READING_FRAME = "Reading frame {frame}"
WRITING_CACHE = "Writing the cache"
WRITING_FILES = "Writing the files"
FINDING_COLORS = "Finding the colors"
RENDERING_INPUT = "Rendering the input (Esc: stop)"
FRAME_OF = "Frame {frame}, {number} of {count}"
TO_GO = "{done}, {time} to go"

# Errors

NOTHING_LINKED = (
    "nothing is connected to the Image input",
    "connect an image, a movie, Render Layers or any other node",
)
MADE_BY_COMPOSITOR = (
    "the input is made by the compositor, which can't be asked while it renders",
    "fill the cache first",
)
FILE_UNREADABLE = ("{path} can't be read ({error})", "check that the file exists")
SPLIT_NEEDS_TWO = ("split needs two masked layers", "mark two layers as masked")
NOTHING_MASKED = ("a mask is connected but no layer is masked", "mark a layer, or disconnect the mask")
GROUP_USED_DIFFERENTLY = (
    "{name} is in the group {group}, which is used with different inputs but has only one set of layers",
    "press Make Single-User, which gives each use a copy of the group of its own",
)
IS_LINKED = (
    "{name} is linked from {library} and can't be changed here{why}",
    "open {library} and press Segment or Fill Cache there, or append instead of linking",
)
BEHIND_HAS_NONE = ("{name}, which feeds it, has no layers: {why}", "press Segment there first")
NODE_GONE = ("the node is gone", "")
NO_SUCH_NODE = ("there is no Soft Color Segment node {names}", "check its name")
NO_SUCH_PRESET = ("There is no preset {name}", "")
NO_SUCH_COLOR = ("there is no color {number}", "use another one")
WRONG_FRAMES = ("frames {frames}: {error}", "give a range like 1-100")
FRAMES_BACKWARDS = "{frames} runs backwards"
ADDON_FAILED = ("the add-on failed ({error})", "report it, with what Copy Report in the sidebar copies")
STOPPED = ("cancelled", "")

NOT_IN_CACHE = "frame {frame} is not in the cache ({path})"
DAMAGED = "frame {frame} is damaged in the cache ({error})"
NOT_OURS = "frame {frame} in the cache is not a cache file of this add-on ({path})"
STALE_FRAME = "frame {frame} in the cache is stale: the settings or the image changed ({path})"
OTHER_COUNT = "frame {frame} in the cache has {found} layers, the node has {wanted}"
IN_SEQUENCER = (
    "{name} is in a compositor modifier of the strip {strip}, where it is given no layers",
    "use it in the scene's compositor, or press Freeze to EXR",
)
UNWATCHED = (
    "the layers of frame {frame} depend on {what}, whose changes can't be seen: "
    "press Segment or Fill Cache after each change, and turn on Trust the Scene in the node's sidebar"
)
NO_PALETTE = "{why}, and it has no palette yet: press Auto Palette, or fill the cache"
FILL_FROM_OUTSIDE = "the cache is filled by: {command}"
NOT_MADE_NOW = "{why}, and can't be computed now: {error}"

NOT_IN_COMPOSITOR = (
    "the input is not part of what scene {scene} composites",
    "use the group with the node in the compositor of the scene",
)
NO_PIXELS = (
    "frame {frame}: the render gave no pixels of the input",
    "render the frame, and check that the compositor and its nodes are on",
)
CAPTURE_UNREADABLE = ("the rendered input can't be read ({error})", "try again")
RENDER_FAILED = ("the render of the input failed ({error})", "render the frame and fix what it reports")
RENDER_STOPPED = ("the render of the input was stopped", "")
UNKNOWN_SPACE = (
    "the scene-linear space of the OpenColorIO configuration is neither Linear Rec.709 nor ACEScg",
    "use a configuration with one of these, or Blender 5.0 or later",
)
NO_DATA_SPACE = (
    "the OpenColorIO configuration has no color space for data",
    "add one, such as Non-Color, or use another configuration",
)
RENDERS_ALREADY = ("Blender is already rendering", "wait until it ends, or press Esc to stop it")

NEVER_SAVED = ("the .blend file was never saved, so the files have no folder", "save it first")
FRAMES_WITH_GAPS = ("the frames to freeze have gaps", "give one range like 1-100, with a step of 1")
FOLDER_UNWRITABLE = ("{folder} can't be written ({error})", "free some disk space there")
FOLDER_NOT_MADE = ("{folder} can't be created ({error})", "free some disk space there")


NO_PICTURE_HERE = ("there is no image here", "click in an Image Editor or in the backdrop")
BESIDE_PICTURE = ("there is no image here", "click inside the image")
PIXELS_NOT_TOLD = ("Blender gives no access to the pixels of {name}", "show the image itself, or connect a Viewer")

# Preferences

ENGINE_PYTHON = (
    "Python of the Engine",
    "Choose the Python or the environment folder that has the engine. Empty: what Install Engine installed. "
    "The environment variable {variable} overrides it",
)
BASE_PYTHON = (
    "Python to Install With",
    "Choose a Python 3.11 or newer to install the engine with. Empty: Blender's own, or one of the system",
)
TORCH_BUILD = ("PyTorch", "Choose the build of PyTorch that Install Engine downloads")
TORCH_BUILDS = {
    "CPU": ("CPU", "Download the smallest build, which runs everywhere. A Package Source must have it"),
    "STANDARD": ("GPU (PyPI)", "Download the build on PyPI or in Package Source: on Linux with NVIDIA CUDA"),
}
PACKAGE_SOURCE = (
    "Package Source",
    "Set the address of another package index, which is then the only one, or a folder of wheels to install without "
    "a network. Empty: PyPI, or what pip is set to",
)
ENGINE_FOLDER = (
    "Engine Folder",
    "Choose the folder that the engine is installed in, on a disk where programs may run. Empty: your folder for the "
    "data of programs",
)
CACHE_DIRECTORY = (
    "Cache Folder",
    "Choose where layers are stored. Empty: {folder} beside the .blend file, where a render farm finds them",
)
MEMORY_LIMIT = (
    "Memory for Layers (MB)",
    "Set how much memory layers may take that were read from the cache, so that a frame gone to again is shown at once",
)
ENGINE = "Engine"
CACHE = "Cache"
FOLDER = "Folder"

INSTALL_ENGINE = ("Install Engine", "Install the engine into an environment of its own")
INSTALL_AGAIN = "Install Engine Again"
CANCEL_INSTALLATION = ("Cancel", "Stop the installation and remove its files")
REMOVE_ENGINE = ("Remove", "Remove the environment of the engine")
CHECK_ENGINE = ("Check", "Check whether the engine works, and report what is wrong")
OPEN_LOG = ("Show Logs", "Open the folder with the logs of the engine")
ALLOW_ONLINE = "Allow Online Access"

UNDER_WAY_ALREADY = "An installation or a check is already running"
NOT_REMOVED = "{path} can't be removed ({error}): close all Blender windows first"
CHECK_BROKE_OFF = "the check failed"
NO_LOG = "There is no log yet"
OFFLINE_MODE = "Blender was started with --offline-mode: start it without, or choose a folder as Package Source"
NOT_ONLINE = "Blender may not go online: turn on Allow Online Access in Preferences > System > Network"
ONLINE_NEEDED = "Installing needs permission to go online"
INSTALLATION_CANCELLED = "The installation was cancelled"
CHECKING = "Checking …"

ENGINE_CURE = (
    "open Edit > Preferences > Add-ons > Soft Color Segment and press Install Engine, "
    "or set the Python of the Engine there or in {variable}"
)
NO_ENGINE = ("the engine is not installed", ENGINE_CURE)
NO_WHEEL = ("this add-on comes without the engine", "install the add-on from its released zip")
NOT_ABSOLUTE = ("{source} is {setting!r}, which is not an absolute path", ENGINE_CURE)
PYTHON_OF_VARIABLE = "the variable {variable}"
PYTHON_OF_PREFERENCES = "the Python of the Engine in the preferences"


def error(code: str, text: tuple[str, str], **facts: object) -> WorkerError:
    """An error with one of the texts above, its braces filled."""
    return WorkerError(code, *(part.format(**facts) for part in text))


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most ``width`` letters; a longer word has a line of its own.

    >>> wrapped("one two three", 7)
    ['one two', 'three']
    """
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
