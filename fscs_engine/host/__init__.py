"""What a host needs of the engine; build.py copies this folder into each. Standard library only, Python 3.9 syntax."""
