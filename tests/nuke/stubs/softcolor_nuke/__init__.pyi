# A place for fscs: the rest of this package is nuke_plugin/softcolor_nuke.
