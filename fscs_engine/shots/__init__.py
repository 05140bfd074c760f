"""Runs over one image or a shot: which frames, which files, which processes."""
