"""A strict fake of the module `nuke`, made from published facts about the real one.

Names, arguments, node classes and knobs that the real module is not known to have are refused, and so are calls off the
main thread. It loads and saves scripts, and renders with an evaluator. Python 3.9 and its standard library.
"""

from __future__ import annotations

from .expressions import ExpressionError
from .grammar import GrammarError
from .host import Host
from .nodes import ScriptError
from .runtime import NotInFake, WrongThread

__all__ = ["ExpressionError", "GrammarError", "Host", "NotInFake", "ScriptError", "WrongThread"]
