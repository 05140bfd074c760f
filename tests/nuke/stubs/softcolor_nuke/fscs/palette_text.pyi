from fscs_engine.host.palette_text import *
