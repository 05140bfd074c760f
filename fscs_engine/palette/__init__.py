"""Palettes: given colors, and those found in an image."""
