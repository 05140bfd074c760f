from fscs_engine.host.preset_list import *
