from fscs_engine.worker.install import *
