# A place for fscs: the rest of this package is blender_addon.
