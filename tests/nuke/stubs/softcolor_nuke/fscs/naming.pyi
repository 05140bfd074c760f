from fscs_engine.naming import *
