from fscs_engine.host.pictures import *
