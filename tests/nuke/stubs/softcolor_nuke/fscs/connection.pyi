from fscs_engine.host.connection import *
