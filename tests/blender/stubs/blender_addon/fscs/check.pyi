from fscs_engine.host.check import *
