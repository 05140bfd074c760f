from fscs_engine.host.views import *
