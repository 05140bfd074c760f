"""Edits of layers: recolored images, looks, palettes matched and in harmony, layers merged and split."""
