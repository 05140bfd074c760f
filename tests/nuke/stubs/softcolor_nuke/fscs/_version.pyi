from fscs_engine._version import __version__ as __version__
