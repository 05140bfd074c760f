from fscs_engine.parameters import *
