# What build.py copies here when the extension is built, as the engine has it.
