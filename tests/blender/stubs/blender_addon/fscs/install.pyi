from fscs_engine.host.install import *
