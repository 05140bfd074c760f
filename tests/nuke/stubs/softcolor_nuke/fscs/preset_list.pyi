from fscs_engine.worker.preset_list import *
