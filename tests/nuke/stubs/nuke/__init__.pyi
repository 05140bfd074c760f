"""What the plug-in uses of types-nuke, and below it what is wrong or takes anything there; each says why.

As Nuke's documentation has it. A name of types-nuke that the plug-in comes to use is added to the list.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

from nuke import _nuke
from nuke._nuke import (
    EXE_PATH as EXE_PATH,
    EXPRESSIONS as EXPRESSIONS,
    GUI as GUI,
    NUKE_VERSION_STRING as NUKE_VERSION_STRING,
    REPLACE as REPLACE,
    TO_SCRIPT as TO_SCRIPT,
    WRITE_NON_DEFAULT_ONLY as WRITE_NON_DEFAULT_ONLY,
    Array_Knob as Array_Knob,
    Double_Knob as Double_Knob,
    EvalString_Knob as EvalString_Knob,
    addView as addView,
    ask as ask,
    delete as delete,
    execute as execute,
    executing as executing,
    filename as filename,
    frame as frame,
    getFilename as getFilename,
    getInput as getInput,
    layers as layers,
    message as message,
    nodePaste as nodePaste,
    rawArgs as rawArgs,
    root as root,
    scriptOpen as scriptOpen,
    scriptSave as scriptSave,
    scriptSaveAs as scriptSaveAs,
    tcl as tcl,
    thisView as thisView,
    tprint as tprint,
    views as views,
)

class Knob(_nuke.Knob):
    # Of knobs for files. A node does not say of which class its knobs are.
    def getEvaluatedValue(self) -> str | None: ...

class Node(_nuke.Node):
    # Theirs gives a knob without the method above.
    def __getitem__(self, name: str) -> Knob: ...
    # There it has four overloads of one argument each, three of them without self.
    def sample(  # type: ignore[override]
        self, channel: str, x: float, y: float, dx: float = ..., dy: float = ..., frame: float = ...
    ) -> float: ...
    # Theirs give nodes without the method above.
    def input(self, index: int) -> Node | None: ...
    def dependencies(self, mask: int) -> list[Node]: ...  # type: ignore[override]
    def parent(self) -> Group | None: ...  # type: ignore[override]

# Theirs takes anything, and gives nodes without the methods above.
def allNodes(filter: str = ..., group: Group | _nuke.Root = ..., recurseGroups: bool = ...) -> list[Node]: ...

# Theirs has no ``get``.
env: Mapping[str, Any]

class Group(Node):
    # There it is a node or None, and without the methods above. The plug-in asks for what is in its own gizmo.
    def node(self, s: str) -> Node | Any: ...
    # Theirs takes anything and gives a node without the methods above.
    def output(self) -> Node | None: ...
    # There it has them as a node of another class has.
    def begin(self) -> object: ...
    def end(self) -> None: ...

class ProgressTask:
    # There all methods take anything.
    def __init__(self, name: str = ...) -> None: ...
    def isCancelled(self) -> bool: ...
    def setMessage(self, message: str) -> None: ...
    def setProgress(self, progress: int) -> None: ...

class Undo:
    # There all methods take anything.
    @staticmethod
    def begin(name: str | None = ...) -> None: ...
    @staticmethod
    def end() -> None: ...
    @staticmethod
    def disable() -> None: ...
    @staticmethod
    def enable() -> None: ...
    @staticmethod
    def undo() -> None: ...

class Layer(_nuke.Layer):
    # There it takes anything.
    def __init__(self, name: str, channels: Sequence[str]) -> None: ...

class FrameRanges(_nuke.FrameRanges):
    # There it takes anything.
    def __init__(self, frames: Sequence[int]) -> None: ...

class Menu(_nuke.Menu):
    # There it takes anything.
    def addCommand(
        self, name: str, command: str | Callable[[], object] = ..., shortcut: str = ..., icon: str = ...
    ) -> _nuke.MenuItem: ...

# Our own menu and nodes, so that they have the methods above.
def menu(name: str) -> Menu: ...
def thisKnob() -> Knob: ...
def thisNode() -> Node: ...
def toNode(s: str) -> Node | None: ...

# A node of the class Group where a gizmo has a Group for its root, which types-nuke can't know.
@overload
def createNode(node: Literal["SoftColorSegment"], knobs: str = ..., inpanel: bool = ...) -> Group: ...
@overload
def createNode(node: str, knobs: str = ..., inpanel: bool = ...) -> Node: ...

# There the result has no type that exists; it is None where the artist cancels.
def choice(title: str, prompt: str, options: Sequence[str], default: int = ...) -> int | None: ...

# There it takes anything.
def scriptClear() -> None: ...

# There the function is of any type, and the lists of arguments have none.
def addBeforeFrameRender(
    call: Callable[..., object], args: Sequence[Any] = ..., kwargs: Mapping[str, Any] = ..., nodeClass: str = ...
) -> None: ...
def addOnUserCreate(
    call: Callable[..., object], args: Sequence[Any] = ..., kwargs: Mapping[str, Any] = ..., nodeClass: str = ...
) -> None: ...
def addOnScriptSave(
    call: Callable[..., object], args: Sequence[Any] = ..., kwargs: Mapping[str, Any] = ..., nodeClass: str = ...
) -> None: ...
def executeInMainThread(call: Callable[..., object], args: object = ..., kwargs: Mapping[str, Any] = ...) -> None: ...

# There it is missing: a constructor for each class of nodes.
nodes: Any

# There the path is of any type.
def pluginAddPath(args: str, addToSysPath: bool = ...) -> None: ...
