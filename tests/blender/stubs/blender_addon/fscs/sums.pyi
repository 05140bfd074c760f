from fscs_engine.host.sums import *
