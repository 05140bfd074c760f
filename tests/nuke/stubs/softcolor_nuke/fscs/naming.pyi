from fscs_engine.host.naming import *
