# What build.py copies here when the plug-in is built, as the engine has it.
