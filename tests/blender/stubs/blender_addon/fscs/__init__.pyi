# What build.py copies here, as the engine has it.
