from fscs_engine.host.atomic import *
