from fscs_engine.host.exr_header import *
