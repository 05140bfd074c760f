from fscs_engine.host.package_source import *
