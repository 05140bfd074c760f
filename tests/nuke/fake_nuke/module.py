"""The module `nuke` of a host: its functions, its environment, and the seal over all of it."""

from __future__ import annotations

import inspect
import sys
import threading
import types
from pathlib import Path

from . import facts, knobs, nodes
from .constants import CONSTANTS, FLAGS
from .objects import PUBLIC, Format, FrameRange, FrameRanges, Menu, Undo
from .runtime import NotInFake, Sealed, absent, bind, check_thread, seal, strict

CALLBACKS = (
    "BeforeRender", "AfterRender", "BeforeFrameRender", "AfterFrameRender", "OnCreate", "OnUserCreate", "OnDestroy",
    "OnScriptLoad", "OnScriptSave", "OnScriptClose", "KnobChanged", "UpdateUI", "Autolabel", "RenderProgress",
    "FilenameFilter", "ValidateFilename",
)  # fmt: skip


class Environment(Sealed):
    """``nuke.env``."""

    def __init__(self, host: object) -> None:
        self._values = {
            "gui": host.gui,
            "interactive": host.gui,
            "nukex": True,
            "studio": False,
            "hiero": False,
            "nc": False,
            "indie": False,
            "NukeVersionMajor": host.version[0],
            "NukeVersionMinor": host.version[1],
            "NukeVersionRelease": host.version[2],
            "NukeVersionString": f"{host.version[0]}.{host.version[1]}v{host.version[2]}",
            "ExecutablePath": "/opt/Nuke/Nuke",
            "PluginExt": "so",
            "LINUX": sys.platform.startswith("linux"),
            "MACOS": sys.platform == "darwin",
            "WIN32": sys.platform == "win32",
            "numCPUs": 4,
            "threads": 4,
        }

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, default: object = None) -> object:
        return self._values.get(key, default)

    def keys(self) -> list:
        return list(self._values)


class Nodes:
    """``nuke.nodes``: a constructor a class."""

    def __init__(self, host: object) -> None:
        self._host = host

    def __getattr__(self, name: str) -> object:
        if name not in facts.nodes():
            raise AttributeError(f"nuke.nodes has no {name}")

        def construct(**values: object) -> nodes.Node:
            check_thread(f"nodes.{name}")
            inputs = values.pop("inputs", ())
            node = self._host.api.new(name)
            for knob, value in values.items():
                if knob == "name":
                    node.setName(value)
                else:
                    node[knob].setValue(value)
            for number, one in enumerate(inputs):
                node.setInput(number, one)
            self._host.created(node)
            return node

        return construct


class Api:
    """The module's functions. Each has the name of a real one, which :func:`module_of` checks."""

    def __init__(self, host: object) -> None:
        self._host = host

    def new(self, cls: str) -> nodes.Node:
        host = self._host
        group = host.groups[-1]
        node = nodes.made(host, cls, group)
        node._knobs["name"]._state = host.free_name(f"{cls}1", {one._knobs["name"]._state for one in group._children})
        group._children.append(node)
        return node

    def createNode(self, node: str, args: str | None = None, inpanel: bool | None = None) -> nodes.Node:
        host = self._host
        selected = [one for one in host.groups[-1]._children if one.isSelected()]
        file = self._gizmo(node)
        if node in facts.nodes() and node not in ("Root", "Gizmo"):
            made = self.new(node)
            if args:
                made._read_body(args, 1)
            host.created(made)
        elif file is not None:
            loaded = host.load(file.read_text(encoding="utf-8"), name=str(file))
            if len(loaded) != 1:
                raise nodes.ScriptError(f"{file.name} makes {len(loaded)} nodes, not one")
            made = loaded[0]
            if args:
                made._read_body(args, 1)
        else:
            raise RuntimeError(f"{node}: Unknown command")
        if selected and made._maximum() and not made._inputs:
            made._connect(0, selected[-1])
        host.created(made, by_user=True)
        for one in host.groups[-1]._children:
            one.setSelected(one is made)
        if host.gui and inpanel is not False:
            made._panel = True
        return made

    def _gizmo(self, name: str) -> Path | None:
        stem = name if name.endswith(".gizmo") else f"{name}.gizmo"
        places = (Path(folder) / stem for folder in self._host.plugin_paths)
        return next((one for one in places if one.is_file()), None)

    def toNode(self, s: str) -> nodes.Node | None:
        if s == "root":
            return self._host.root
        if s.startswith("root."):
            return self._host.node_at(self._host.root, s[5:])
        return self._host.node_at(self._host.groups[-1], s)

    def exists(self, s: str) -> bool:
        return self.toNode(s) is not None or self._host.knob_at(self._host.groups[-1], s) is not None

    def root(self) -> nodes.Root:
        return self._host.root

    def thisNode(self) -> nodes.Node:
        return self._host.context[-1][0] if self._host.context else self._host.root

    def thisKnob(self) -> knobs.Knob | None:
        return self._host.context[-1][1] if self._host.context else None

    def thisGroup(self) -> nodes.Group:
        return self._host.groups[-1]

    def thisParent(self) -> nodes.Node | None:
        return self.thisNode()._group

    def thisClass(self) -> str:
        return self.thisNode()._class

    def thisView(self) -> str:
        return self._host.view_now

    def allNodes(self, filter: str | None = None, group: object = None, recurseGroups: bool = False) -> list:
        start = group if group is not None else self._host.groups[-1]
        found = []
        for one in reversed(start._children):
            if filter in (None, one._class):
                found.append(one)
            if recurseGroups and hasattr(one, "_children"):
                found += self.allNodes(filter, one, True)
        return found

    def selectedNodes(self, filter: str | None = None) -> list:
        return [one for one in self._host.groups[-1]._children if one.isSelected() and filter in (None, one._class)]

    def selectedNode(self) -> nodes.Node:
        return self._host.groups[-1].selectedNode()

    def delete(self, n: nodes.Node) -> None:
        self._host.call("OnDestroy", n)
        self._host._knob_code(n, "onDestroy", None)
        n._group._children.remove(n)
        for one in n._group._children:
            one._inputs = [None if target is n else target for target in one._inputs]

    def nodePaste(self, s: str) -> nodes.Node | None:
        loaded = self._host.load(Path(s).read_text(encoding="utf-8"), name=s)
        for one in self._host.groups[-1]._children:
            one.setSelected(one in loaded)
        return loaded[-1] if loaded else None

    def nodeCopy(self, s: str) -> bool:
        Path(s).write_text(nodes.text_of(self.selectedNodes(), self._host), encoding="utf-8")
        return True

    def scriptReadText(self, s: str) -> None:
        self._host.load(s)

    def scriptReadFile(self, s: str) -> None:
        self._host.load(Path(s).read_text(encoding="utf-8"), name=s)

    def scriptSource(self, filename: str) -> None:
        self.scriptReadFile(filename)

    def scriptOpen(self, filename: str) -> None:
        text = Path(filename).read_text(encoding="utf-8")
        self._host.clear()
        self._host.script_name = filename
        self._host.load(text, name=filename)
        self._host.call("OnScriptLoad", self._host.root)

    def scriptSaveAs(self, filename: str | None = None, overwrite: int = -1) -> bool:
        if Path(filename).exists() and overwrite != 1:
            raise RuntimeError(f"{filename} exists already")
        self._host.call("OnScriptSave", self._host.root)
        Path(filename).write_text(self._host.text(), encoding="utf-8")
        self._host.script_name = filename
        self._host.changed = False
        return True

    def scriptSave(self, filename: str | None = None) -> bool:
        return self.scriptSaveAs(filename or self._host.script_name, 1)

    def scriptClear(self) -> None:
        self._host.clear()

    def scriptName(self) -> str:
        if not self._host.script_name:
            raise RuntimeError("there is no current script name")
        return self._host.script_name

    def script_directory(self) -> str:
        return str(Path(self._host.script_name).parent) if self._host.script_name else ""

    def modified(self, status: bool | None = None) -> bool:
        if status is not None:
            self._host.changed = bool(status)
        return self._host.changed

    def frame(self, f: int | None = None) -> int:
        if f is not None:
            self._host.frame_now = int(f)
        return int(self._host.frame_now)

    def views(self) -> list:
        return list(self._host.views)

    def addView(self, s: str) -> None:
        self._host.add_view(s)

    def layers(self, node: nodes.Node | None = None) -> list:
        if node is None:
            return list(self._host.layers)
        return list(dict.fromkeys(one.split(".")[0] for one in node._picture().channels))

    def channels(self, n: nodes.Node | None = None) -> list:
        if n is not None:
            return list(n._picture().channels)
        return [f"{layer}.{one}" for layer, channels in self._host.layers.items() for one in channels]

    def addFormat(self, s: str) -> Format:
        made = Format._parsed(s)
        self._host.formats[made._name] = made._line()
        return made

    def expression(self, s: str) -> float:
        return self._host.evaluate(self.thisNode(), s)

    def tcl(self, s: str, *arguments: object) -> str:
        code = " ".join([s, *("{" + str(one) + "}" for one in arguments)])
        return self._host.tcl_of(self.thisNode(), code)

    def filename(self, node: nodes.Node | None = None, i: int | None = None) -> str | None:
        knob = (node or self.thisNode())._find("file")
        if knob is None:
            return None
        return self._host.file_name(knob) if i == CONSTANTS["REPLACE"] else self._host.pattern(knob)

    def sample(
        self, n: nodes.Node, c: str, x: float, y: float, dx: float | None = None, dy: float | None = None
    ) -> float:
        return n.sample(c, x, y, dx, dy)

    def execute(
        self,
        nameOrNode: object,
        start: object = None,
        end: int | None = None,
        incr: int | None = None,
        views: list | None = None,
        continueOnError: bool = False,
        frameRangeSet: object = None,
    ) -> None:
        if isinstance(start, (FrameRange, FrameRanges)):  # then views and continueOnError follow
            frameRangeSet, views, continueOnError = start, views or end, bool(incr) or continueOnError
            end = incr = None
        frames = self._frames(frameRangeSet if frameRangeSet is not None else start, end, incr)
        self._host.execute(nameOrNode, frames, views, keep_going=continueOnError)

    def _frames(self, start: object, end: int | None, incr: int | None) -> list:
        if isinstance(start, FrameRanges):
            return start.toFrameList()
        if isinstance(start, (FrameRange, list, tuple)):
            return list(start)
        first = int(start) if start is not None else self._host.root.firstFrame()
        last = int(end) if end is not None else (first if start is not None else self._host.root.lastFrame())
        return list(range(first, last + 1, int(incr or 1)))

    def executeMultiple(
        self, nodes: list, ranges: object = None, views: list | None = None, continueOnError: bool = False
    ) -> None:
        frames = [frame for first, last, step in ranges or () for frame in range(first, last + 1, step)]
        for one in nodes:
            self._host.execute(one, frames or self._frames(None, None, None), views, keep_going=continueOnError)

    def message(self, prompt: str) -> None:
        self._host.messages.append(("message", prompt))

    def critical(self, message: str) -> None:
        self._host.messages.append(("critical", message))

    def error(self, message: str) -> None:
        self._host.messages.append(("error", message))

    def warning(self, message: str) -> None:
        self._host.messages.append(("warning", message))

    def debug(self, message: str) -> None:
        self._host.messages.append(("debug", message))

    def alert(self, prompt: str) -> None:
        self._host.messages.append(("alert", prompt))

    def tprint(self, value: object, *values: object, sep: str = " ", end: str = "\n", file: object = None) -> None:
        self._host.messages.append(("print", sep.join(str(one) for one in (value, *values)) + end))

    def _answer(self, kind: str, prompt: str) -> object:
        self._host.messages.append((kind, prompt))
        if not self._host.gui:
            raise RuntimeError(f"nuke.{kind} in a session without a window")
        if not self._host.answers:
            raise RuntimeError(f"nuke.{kind}({prompt!r}) has no answer: put one into host.answers")
        return self._host.answers.pop(0)

    def ask(self, prompt: str) -> bool:
        return bool(self._answer("ask", prompt))

    def getInput(self, prompt: str, default: str = "") -> str | None:
        return self._answer("getInput", prompt)

    def getFilename(
        self,
        message: str,
        pattern: str | None = None,
        default: str | None = None,
        favorites: str | None = None,
        type: str | None = None,
        multiple: bool = False,
    ) -> object:
        return self._answer("getFilename", message)

    def getFramesAndViews(self, label: str, default: str | None = None, maxviews: int = 0) -> object:
        return self._answer("getFramesAndViews", label)

    def choice(self, title: str, prompt: str, options: list, default: int = 0) -> object:
        return self._answer("choice", prompt)

    def pluginAddPath(self, args: object, addToSysPath: bool = True) -> None:
        folders = [args] if isinstance(args, str) else list(args)
        for folder in folders:
            full = folder
            if folder.startswith("."):
                caller = inspect.stack()[2].filename
                full = str((Path(caller).parent / folder).resolve())
            if full not in self._host.plugin_paths:
                self._host.plugin_paths.insert(0, full)
            if addToSysPath and full not in sys.path:
                sys.path.append(full)

    def pluginAppendPath(self, args: object, addToSysPath: bool = True) -> None:
        self.pluginAddPath(args, addToSysPath)

    def pluginPath(self) -> list:
        return list(self._host.plugin_paths)

    def plugins(self, switches: int = 0, *pattern: str) -> list:
        found = [one for folder in self._host.plugin_paths for name in pattern for one in Path(folder).glob(name)]
        return [str(one) for one in found]

    def pluginExists(self, name: str) -> bool:
        return self._gizmo(name) is not None or name in facts.nodes()

    def load(self, s: str) -> None:
        if s not in facts.nodes():
            raise RuntimeError(f"{s}: no such plug-in")

    def menu(self, name: str) -> Menu:
        return self._host.menus.setdefault(name, Menu(name))

    def toolbar(self, name: str, create: bool = True) -> Menu:
        return self._host.menus.setdefault(name, Menu(name))

    def executeInMainThread(self, call: object, args: object = (), kwargs: dict | None = None) -> None:
        self._host.post(self._packed(call, args, kwargs), wait=False)

    def executeInMainThreadWithResult(self, call: object, args: object = (), kwargs: dict | None = None) -> object:
        if threading.get_ident() == self._host.main_thread:
            raise RuntimeError("executeInMainThreadWithResult in the main thread waits for itself")
        return self._host.post(self._packed(call, args, kwargs), wait=True)

    def _packed(self, call: object, args: object, kwargs: dict | None) -> object:
        arguments = args if isinstance(args, tuple) else (args,)
        return lambda: call(*arguments, **(kwargs or {}))

    def undo(self) -> None:
        Undo.undo()

    def redo(self) -> None:
        Undo.redo()

    def updateUI(self) -> None:
        pass

    def forceUpdateAll(self) -> None:
        pass

    def show(self, n: nodes.Node | None = None, forceFloat: bool | None = None) -> None:
        (n or self.thisNode()).showControlPanel()

    def clearRAMCache(self) -> None:
        pass

    def waitForThreadsToFinish(self) -> bool:
        return True

    def executing(self) -> bool:
        return self._host.rendering > 0

    def usingOcio(self) -> bool:
        return self._host.root._knobs["colorManagement"]._text() == "OCIO"

    def knobDefault(self, knob: str, value: str | None = None) -> None:
        self._host.call("knobDefault", self._host.root)

    def scriptExit(self) -> None:
        raise SystemExit(0)


ANY_THREAD = ("executeInMainThread", "executeInMainThreadWithResult", "tprint", "debug")


def _adder(host: object, kind: str) -> object:
    def add(
        call: object, args: object = (), kwargs: dict | None = None, nodeClass: str | None = None, node: object = None
    ) -> None:
        known = facts.signatures(f"add{kind}")
        default = (
            "Write" if "Render" in kind else "*" if kind == "FilenameFilter" else "Root" if "Script" in kind else "*"
        )
        if not known:
            raise NotInFake(f"nuke.add{kind}")
        host.callbacks.setdefault(kind, []).append((call, args, kwargs or {}, nodeClass or default, node))

    return add


def _remover(host: object, kind: str) -> object:
    def remove(
        call: object, args: object = (), kwargs: dict | None = None, nodeClass: str | None = None, node: object = None
    ) -> None:
        host.callbacks[kind] = [one for one in host.callbacks.get(kind, ()) if one[0] is not call]

    return remove


_SEALED: list = []


def seal_all() -> None:
    """Seals every class, once."""
    if _SEALED:
        return
    for cls in [*knobs.PUBLIC, *nodes.PUBLIC, *PUBLIC]:
        seal(cls)
        _SEALED.append(cls)


class Module(types.ModuleType):
    """`nuke`: what is real and not in the fake says so, what is not real does not exist."""

    def __getattr__(self, name: str) -> object:
        if facts.is_constant(name):
            raise NotInFake(f"nuke.{name} is real, but the fake does not have it")
        raise AttributeError(f"the real nuke has no {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            raise AttributeError(f"nuke.{name} is set from outside")


def module_of(host: object) -> types.ModuleType:
    seal_all()
    module = Module("nuke", "A strict fake of Nuke's module.")
    names: dict = {}
    api = Api(host)
    host.api = api
    for name in facts.api():
        if "." in name or name.startswith("_"):
            continue
        if facts.is_class(name):
            names[name] = _unmade(name)
        elif not facts.is_constant(name):
            names[name] = absent(name)
    for name in (one for one in vars(Api) if not one.startswith("_") and one != "new"):
        if name not in facts.api():
            raise RuntimeError(f"the real nuke has no function {name}")
        names[name] = strict(name, getattr(api, name), any_thread=name in ANY_THREAD)
    for kind in CALLBACKS:
        for verb, maker in (("add", _adder), ("remove", _remover)):
            name = f"{verb}{kind}"
            if name in facts.api():
                names[name] = strict(name, maker(host, kind))
    for cls in _SEALED:
        names[cls.__name__] = cls
    names.update({name: value for name, value in {**FLAGS, **CONSTANTS}.items() if facts.is_constant(name)})
    names["GUI"] = host.gui
    names["INTERACTIVE"] = host.gui
    major, minor, release = host.version
    names.update(
        NUKE_VERSION_MAJOR=major,
        NUKE_VERSION_MINOR=minor,
        NUKE_VERSION_RELEASE=release,
        NUKE_VERSION_STRING=f"{major}.{minor}v{release}",
        env=Environment(host),
        nodes=Nodes(host),
        rawArgs=[],
    )
    module.__dict__.update(names)
    return module


def _unmade(name: str) -> type:
    """A real class that the fake can't make; isinstance works on it."""

    def refuse(self: object, *arguments: object, **keywords: object) -> None:
        check_thread(name)
        bind(f"{name}.__init__", (self, *arguments), keywords)
        raise NotInFake(f"nuke.{name} is real, but the fake does not have it")

    return type(name, (), {"__init__": refuse})
