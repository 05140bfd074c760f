# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a node get an inside and a place in the cache of their own, a moment after they were made."""

from __future__ import annotations

import contextlib
from typing import Any

import bpy

from . import cache, passes, recoloring, strings, views
from .outputs import name_outputs
from .properties import is_uid, new_uid
from .session import SESSION
from .trees import all_nodes, is_linked


def expect() -> None:
    """Has the next :func:`separate` look at all nodes."""
    SESSION.copied = True


def expect_soon() -> None:
    """The same, and in a window sees to it that there is a next one."""
    expect()
    if not bpy.app.background and not bpy.app.timers.is_registered(separate):
        bpy.app.timers.register(separate)


def separate() -> None:
    """Gives nodes that still share their inside or their name in the cache with the node they were copied from, or were
    appended twice, one of their own, and nodes of copied files too what the cache has of them. Main thread only, never
    while something is rendered."""
    if not SESSION.copied:
        return
    SESSION.copied = False
    owners: dict[str, str] = {}
    uids = {node.uid for node in all_nodes() if is_linked(node)}
    for node in all_nodes():
        if is_linked(node):
            continue
        if node.uid in uids or not is_uid(node.uid):
            node.uid = new_uid()
        uids.add(node.uid)
        with contextlib.suppress(OSError):  # saving tries again, and tells of it
            cache.follow(node)
        tree = node.node_tree
        if tree is not None and (owners.setdefault(tree.name_full, node.uid) != node.uid or _of_another_file(node)):
            passes.own_tree(node)
        passes.mend(node)
        views.fit(node)
        recoloring.fit(node)
        name_outputs(node)


def _of_another_file(node: Any) -> bool:
    """Whether the node was made local and its inside was not."""
    images = [image for image in passes.images(node) if image is not None]
    return any(block.library is not None for block in (node.node_tree, *images))


def stop_waiting() -> None:
    """Takes away the timer of :func:`expect_soon`."""
    if bpy.app.timers.is_registered(separate):
        bpy.app.timers.unregister(separate)


def present(uid: str) -> Any:
    """The node of a uid. Raises WorkerError if it is gone."""
    separate()
    node = next((node for node in all_nodes() if node.uid == uid), None)
    if node is None:
        raise strings.error("cancelled", strings.NODE_GONE)
    return node
