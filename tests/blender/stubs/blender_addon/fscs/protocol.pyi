from fscs_engine.host.protocol import *
