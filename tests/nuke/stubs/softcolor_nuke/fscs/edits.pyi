from fscs_engine.host.edits import *
