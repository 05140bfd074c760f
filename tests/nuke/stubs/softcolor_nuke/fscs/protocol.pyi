from fscs_engine.worker.protocol import *
