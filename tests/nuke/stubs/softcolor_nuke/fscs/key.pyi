from fscs_engine.key import *
