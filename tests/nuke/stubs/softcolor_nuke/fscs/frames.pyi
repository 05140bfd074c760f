from fscs_engine.host.frames import *
