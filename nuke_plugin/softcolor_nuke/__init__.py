"""Soft Color Segment inside Nuke. Standard library only, Python 3.9 syntax: the engine is a process of its own."""
