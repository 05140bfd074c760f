from fscs_engine.worker.client import *
