from fscs_engine.host.palette_swatches import *
