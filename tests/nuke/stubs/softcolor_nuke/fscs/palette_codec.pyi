from fscs_engine.host.palette_codec import *
