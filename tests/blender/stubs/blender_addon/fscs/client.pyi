from fscs_engine.host.client import *
