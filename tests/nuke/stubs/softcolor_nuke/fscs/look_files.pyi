from fscs_engine.host.look_files import *
