from fscs_engine.host.parameters import *
