"""What ties the fake's parts together: the running host, its errors, and the seal that makes the fake strict."""

from __future__ import annotations

import functools
import inspect
import threading

from . import facts


class NotInFake(NotImplementedError):
    """Real in Nuke, but the fake can't do it: write it, or do without it."""


class WrongThread(RuntimeError):
    """A call of nuke.* off the main thread, which crashes the real Nuke."""


class State:
    """The one host there is; a new one takes the place of the old."""

    host = None


def check_thread(name: str) -> None:
    """Refuses whoever is not the thread that made the host."""
    if State.host is not None and threading.get_ident() != State.host.main_thread:
        raise WrongThread(f"{name} is called off the main thread: use nuke.executeInMainThread")


def bind(name: str, arguments: tuple, keywords: dict) -> None:
    """Refuses arguments that no stub allows.

    Raises:
        TypeError: as Python itself would.
    """
    known = facts.signatures(name)
    problem = None
    for one in known:
        try:
            one.bind(*arguments, **keywords)
        except TypeError as error:
            problem = error
        else:
            return
    if problem is not None:
        raise TypeError(f"nuke.{name}: {problem}")


def strict(name: str, function, *, any_thread: bool = False):
    """A function that checks thread and arguments first."""

    @functools.wraps(function)
    def checked(*arguments, **keywords):
        if not any_thread:
            check_thread(name)
        bind(name, arguments, keywords)
        return function(*arguments, **keywords)

    checked.sealed = True
    return checked


def absent(name: str):
    """What stands where the real Nuke has something that the fake has not."""

    def refused(*arguments, **keywords):
        check_thread(name)
        bind(name, arguments, keywords)
        raise NotInFake(f"nuke.{name} is real, but the fake does not have it")

    refused.sealed = True
    return refused


def seal(cls: type) -> type:
    """Makes a class as strict as its namesake: all of that one's methods, with their arguments, and no other.

    Raises:
        RuntimeError: the class has a public name that the real one has not.
    """
    name = cls.__name__
    if not facts.is_class(name):
        raise RuntimeError(f"the real nuke has no class {name}")
    owners: dict = {}
    for above in reversed(cls.__mro__):
        owners.update(dict.fromkeys(facts.members(above.__name__), above.__name__))
    own = {key: value for key, value in vars(cls).items() if not key.startswith("_") or key == "__init__"}
    invented = sorted(set(own) - set(owners) - {"__init__"})
    if invented:
        raise RuntimeError(f"the real {name} has no {', '.join(invented)}")
    for member in sorted({*facts.members(name), *own, "__init__"}):
        full = f"{owners.get(member, name)}.{member}"
        if member == "__init__" and full not in facts.CORRECTIONS and f"{name}.__init__" in facts.CORRECTIONS:
            full = f"{name}.__init__"
        found = own.get(member)
        if facts.is_constant(full):
            continue
        if isinstance(found, staticmethod):
            setattr(cls, member, staticmethod(strict(full, found.__func__)))
        elif found is not None:
            setattr(cls, member, strict(full, found))
        elif member == "__init__" or hasattr(cls, member):
            setattr(cls, member, strict(full, inspect.unwrap(getattr(cls, member))))
        else:
            setattr(cls, member, absent(full))
    return cls


class Sealed:
    """Base of all fake objects: nobody may hang new attributes on them."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r} to set")
        object.__setattr__(self, name, value)
