"""What is known of the real `nuke` module and of its node classes, and where it was guessed.

``known`` holds names, argument lists and knob classes: of the module as two public sets of stubs have them, made for
Nuke 13.2 and in Nuke 15.0, of node classes as a public scan of Nuke 17.0 has them, and of ``addUserKnob`` as some 1,500
public scripts use it.
"""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache
from pathlib import Path

CORRECTIONS = {
    # Both stubs say nothing here, or make obligatory what Nuke's own documentation marks as optional.
    "Knob.__init__": "self, name, label=None",
    "String_Knob.__init__": "self, name, label=None, value=None",
    "Enumeration_Knob.__init__": "self, name, label, items",
    "Array_Knob.__init__": "self, name, label=None",
    "Double_Knob.__init__": "self, name, label=None",
    "Int_Knob.__init__": "self, name, label=None",
    "Boolean_Knob.__init__": "self, name, label=None, value=None",
    "PyScript_Knob.__init__": "self, name, label=None, command=None",
    "Tab_Knob.__init__": "self, name, label=None, type=None",
    "Text_Knob.__init__": "self, name, label=None, value=None",
    "Link_Knob.__init__": "self, name, label=None",
    "Link_Knob.setValue": "self, val, chan=None",
    "Text_Knob.setValue": "self, val",
    "Text_Knob.value": "self",
    "Channel_Knob.__init__": "self, name, label=None",
    "XY_Knob.value": "self, n=None, oc=None",
    "XY_Knob.x": "self, oc=None",
    "XY_Knob.y": "self, oc=None",
    "File_Knob.getValue": "self, oc=None",
    "File_Knob.getEvaluatedValue": "self, oc=None",
    "OutputContext.__init__": "self",
    "Array_Knob.animation": "self, chan, view=None",
    "Menu.addMenu": "self, name, icon=None, tooltip=None, index=-1",
    "Menu.addSeparator": "self, index=-1",
    "Menu.addCommand": "self, name, command=None, shortcut=None, icon=None, tooltip=None, index=None, readonly=None, "
    "shortcutContext=None, tag=None, tagTarget=None, nodeClass=''",
    "ProgressTask.__init__": "self, name=''",
    "Undo.__init__": "self, name=None",
    "Undo.begin": "name=None",
    "Undo.end": "",
    "Undo.cancel": "",
    "Undo.disable": "",
    "Undo.enable": "",
    "Undo.disabled": "",
    "Undo.name": "name",
    "Undo.new": "name=None",
    "Undo.undo": "",
    "Undo.redo": "",
    "Undo.undoSize": "",
    "Undo.redoSize": "",
    "FrameRange.__init__": "self, *args",
    "FrameRanges.__init__": "self, *args",
    "GlobalsEnvironment.get": "self, key, default=None",
    "Knob.getValue": "self, channel=-1",
    "Knob.setExpression": "self, expression, channel=-1, view=None",
    "Knob.toScript": "self, quote=None, context=None",
    "String_Knob.setValue": "self, val, view='default'",
    "scriptClear": "",
    "scriptNew": "",
    "scriptReadFile": "s",
    "scriptReadText": "s",
    "scriptSource": "filename",
    "scriptClose": "",
    "scriptExit": "",
    "allNodes": "filter=None, group=None, recurseGroups=False",
}

COMMON_KNOBS = {
    # Of every node class; the scan leaves them out.
    "name": "String_Knob",
    "label": "Multiline_Eval_String_Knob",
    "help": "Multiline_Eval_String_Knob",
    "xpos": "Int_Knob",
    "ypos": "Int_Knob",
    "tile_color": "Unsigned_Knob",
    "gl_color": "Unsigned_Knob",
    "note_font": "Font_Knob",
    "note_font_size": "Double_Knob",
    "note_font_color": "Unsigned_Knob",
    "icon": "File_Knob",
    "selected": "Boolean_Knob",
    "hide_input": "Boolean_Knob",
    "cached": "Boolean_Knob",
    "disable": "Disable_Knob",
    "postage_stamp": "Boolean_Knob",
    "dope_sheet": "Boolean_Knob",
    "bookmark": "Boolean_Knob",
    "indicators": "Double_Knob",
    "useLifetime": "Boolean_Knob",
    "lifetimeStart": "Array_Knob",
    "lifetimeEnd": "Array_Knob",
    "knobChanged": "PythonKnob",
    "onCreate": "PythonKnob",
    "onDestroy": "PythonKnob",
    "updateUI": "PythonKnob",
    "autolabel": "PythonKnob",
}

FORMAT_KNOBS = {
    # Of Read and Write while the file type is exr: they come from the file format, so the scan has not seen them.
    ("Write", "exr"): {
        "datatype": ("Enumeration_Knob", "16 bit half", ["16 bit half", "32 bit float"]),
        "compression": (
            "Enumeration_Knob",
            "Zip (1 scanline)",
            [
                "none",
                "Zip (1 scanline)",
                "Zip (16 scanlines)",
                "PIZ Wavelet (32 scanlines)",
                "RLE",
                "B44",
                "B44A",
                "DWAA",
                "DWAB",
            ],
        ),
        "autocrop": ("Boolean_Knob", 0, None),
        "write_hash": ("Boolean_Knob", 1, None),
        "heroview": ("Enumeration_Knob", "main", ["main"]),
        "metadata": (
            "Enumeration_Knob",
            "default metadata",
            [
                "no metadata",
                "default metadata",
                "default metadata and exr/*",
                "all metadata except input/*",
                "all metadata",
            ],
        ),
        "noprefix": ("Boolean_Knob", 0, None),
        "interleave": (
            "Enumeration_Knob",
            "channels, layers and views",
            ["channels, layers and views", "channels and layers", "channels"],
        ),
        "standard_layer_name_format": ("Boolean_Knob", 0, None),
        "write_full_layer_names": ("Boolean_Knob", 0, None),
        "truncateChannelNames": ("Boolean_Knob", 0, None),
        "first_part": ("Enumeration_Knob", "rgba", ["rgba"]),
    },
    ("Read", "exr"): {
        "exr_prefix": ("Boolean_Knob", 1, None),
        "noprefix": ("Boolean_Knob", 0, None),
        "edge_pixels": ("Enumeration_Knob", "plate edges", ["plate edges", "edge detect", "repeat", "black"]),
        "offset_negative_display_window": ("Boolean_Knob", 1, None),
    },
}

CORPUS_KNOBS = {
    # What real scripts hold and the scan does not.
    "Input": {"number": ("Int_Knob", 0, None)},
    "Write": {"version": ("Int_Knob", 0, None)},
    "Read": {"version": ("Int_Knob", 0, None), "origset": ("Boolean_Knob", 0, None)},
    "Shuffle2": {
        "fromInput1": ("Enumeration_Knob", "B", ["B", "A"]),
        "fromInput2": ("Enumeration_Knob", "B", ["B", "A"]),
        "in1": ("Channel_Knob", "rgba", None),
        "in2": ("Channel_Knob", "none", None),
        "out1": ("Channel_Knob", "rgba", None),
        "out2": ("Channel_Knob", "none", None),
        "mappings": ("String_Knob", "", None),
    },
    "Inference": {
        "tileSize": ("Enumeration_Knob", "None", ["None", "1024", "2048", "4096"]),
        "tileOverlap": ("Int_Knob", 64, None),
    },
}

EXTRA_CLASSES = {
    # Classes the scan lacks, with the knobs that scripts give them, or the manual.
    "VariableSwitch": {"variable": ("String_Knob", "", None)},
    "Root": {
        "inputs": ("Int_Knob", 0, None),
        "frame": ("Array_Knob", 1, None),
        "first_frame": ("Array_Knob", 1, None),
        "last_frame": ("Array_Knob", 100, None),
        "lock_range": ("Boolean_Knob", 0, None),
        "fps": ("Array_Knob", 24, None),
        "format": ("Format_Knob", "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)", None),
        "proxy": ("Boolean_Knob", 0, None),
        "proxy_type": ("Enumeration_Knob", "format", ["format", "scale"]),
        "proxy_scale": ("Array_Knob", 0.5, None),
        "proxy_format": ("Format_Knob", "1024 778 0 0 1024 778 1 1K_Super_35(full-ap)", None),
        "proxySetting": ("Enumeration_Knob", "if nearest", ["always", "if larger", "if nearest", "never"]),
        "views": ("MultiView_Knob", "main #ffffff", None),
        "colorManagement": ("Enumeration_Knob", "Nuke", ["Nuke", "OCIO"]),
        "OCIO_config": ("Enumeration_Knob", "nuke-default", ["nuke-default", "aces_1.2", "custom"]),
        "customOCIOConfigPath": ("File_Knob", "", None),
        "workingSpaceLUT": (
            "Enumeration_Knob",
            "linear",
            ["linear", "scene_linear", "ACES - ACEScg", "ACEScg", "sRGB", "ACES - ACES2065-1"],
        ),
        "project_directory": ("File_Knob", "", None),
        "onScriptLoad": ("PythonKnob", "", None),
        "onScriptSave": ("PythonKnob", "", None),
        "onScriptClose": ("PythonKnob", "", None),
    },
    "BackdropNode": {
        "bdwidth": ("Double_Knob", 100, None),
        "bdheight": ("Double_Knob", 100, None),
        "z_order": ("Double_Knob", 0, None),
        "appearance": ("Enumeration_Knob", "Fill", ["Fill", "Border"]),
        "border_width": ("Double_Knob", 1, None),
    },
    "Gizmo": {},
    "Roto": {
        "output": ("ChannelMask_Knob", "alpha", None),
        "curves": ("OtherKnob", "", None),
        "toolbox": ("OtherKnob", "", None),
        "cliptype": ("Enumeration_Knob", "format", ["no clip", "bbox", "format", "intersect", "union"]),
    },
    "Retime": {
        "input.first": ("Double_Knob", 1, None),
        "output.first": ("Double_Knob", 1, None),
        "speed": ("Double_Knob", 1, None),
    },
    "AppendClip": {"firstFrame": ("Array_Knob", 1, None)},
    "FrameBlend": {"numframes": ("Array_Knob", 5, None)},
    "OneView": {"view": ("OneView_Knob", "main", None)},
}

DUNDERS = {"__getitem__", "__enter__", "__exit__", "__len__", "__iter__", "__contains__", "__repr__", "__str__"}
"""Operators of the C++ classes, which stubs do not list."""


@cache
def _known(name: str) -> dict:
    """One of the files of names."""
    return json.loads((Path(__file__).with_name("known") / name).read_text(encoding="utf-8"))


@cache
def nodes() -> dict:
    """Knobs by node class: ``{class: {knob: (knob class, default, values)}}``, without those of every class."""
    found = {}
    for name, knobs in _known("nodes.json").items():
        entries = {knob: [entry] if isinstance(entry, str) else entry for knob, entry in knobs.items()}
        found[name] = {knob: (*entry, None, None)[:3] for knob, entry in entries.items()}
        found[name].update({k: v for k, v in CORPUS_KNOBS.get(name, {}).items() if k not in found[name]})
    for name, knobs in EXTRA_CLASSES.items():
        found.setdefault(name, dict(knobs))
    return found


@cache
def vocabulary() -> dict:
    """Types, flags and options of ``addUserKnob`` in real scripts; of an option how many words follow it."""
    return _known("vocabulary.json")


@cache
def api() -> dict:
    """All names of the module: ``{name or Class.name: "const", "class", or a list of argument lists}``."""
    known = _known("api.json")
    found: dict = {**dict.fromkeys(known["constants"], "const"), **known["functions"]}
    for cls, own in known["classes"].items():
        found[cls] = "class"
        found.update({f"{cls}.{name}": entry for name, entry in own.items()})
    return found


def is_class(name: str) -> bool:
    """Whether a top-level name is a class."""
    return api().get(name) == "class"


def is_constant(name: str) -> bool:
    """Whether a name is a constant or a variable."""
    return api().get(name) == "const"


@cache
def _members() -> dict:
    return {cls: list(own) for cls, own in _known("api.json")["classes"].items()}


def members(cls: str) -> list:
    """The names that a class has of its own."""
    return _members().get(cls, [])


@cache
def signatures(name: str) -> tuple:
    """The ways in which a function or method may be called; empty: nothing is known, so all are."""
    if name in CORRECTIONS:
        return (signature(CORRECTIONS[name]),)
    entry = api().get(name, ())
    return () if isinstance(entry, str) else tuple(map(signature, entry))


def signature(text: str) -> inspect.Signature:
    """An argument list as a signature."""
    arguments = ast.parse(f"def f({text}): pass").body[0].args
    known = [*arguments.posonlyargs, *arguments.args]
    optional = len(known) - len(arguments.defaults)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(one.arg, kind, default=inspect.Parameter.empty if number < optional else None)
        for number, one in enumerate(known)
    ]
    if arguments.vararg:
        parameters.append(inspect.Parameter(arguments.vararg.arg, inspect.Parameter.VAR_POSITIONAL))
    parameters += [
        inspect.Parameter(one.arg, inspect.Parameter.KEYWORD_ONLY, default=None) for one in arguments.kwonlyargs
    ]
    if arguments.kwarg:
        parameters.append(inspect.Parameter(arguments.kwarg.arg, inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature(parameters)
