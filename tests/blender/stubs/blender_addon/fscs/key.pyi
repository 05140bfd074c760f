from fscs_engine.host.key import *
