from fscs_engine.worker.pictures import *
