from fscs_engine.worker.check import *
