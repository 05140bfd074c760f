from fscs_engine.worker.connection import *
