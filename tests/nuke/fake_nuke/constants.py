"""The numbers behind flags and constants; only that they differ is relied on."""

from __future__ import annotations

FLAGS = {
    "STARTLINE": 0x1000,
    "ENDLINE": 0x2000,
    "DISABLED": 0x80,
    "INVISIBLE": 0x400,
    "NO_ANIMATION": 0x100,
    "DO_NOT_WRITE": 0x200,
    "NO_UNDO": 0x80000,
    "KNOB_CHANGED_ALWAYS": 0x400000,
    "KNOB_CHANGED_RECURSIVE": 0x8000000,
    "ALWAYS_SAVE": 0x20000,
    "SAVE_MENU": 0x2000000,
    "READ_ONLY": 0x10000000,
}
CONSTANTS = {
    "GUI": True,
    "PREPEND": 8,
    "REPLACE": 1,
    "INPUTS": 1,
    "HIDDEN_INPUTS": 2,
    "EXPRESSIONS": 4,
    "TABBEGINGROUP": 1,
    "TABENDGROUP": -1,
    "TABBEGINCLOSEDGROUP": 2,
    "TABKNOB": 0,
    "WRITE_ALL": 8,
    "WRITE_NON_DEFAULT_ONLY": 2,
    "WRITE_USER_KNOB_DEFS": 4,
    "TO_SCRIPT": 1,
    "INTERACTIVE": True,
    "THREADS": 4,
    "NUM_CPUS": 4,
    "EXE_PATH": "/opt/Nuke/Nuke",
    "VIEWER": 16,
    "PYTHON": 32,
    "SCRIPT": 64,
}
