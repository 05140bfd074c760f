"""The engine's worker process and the client that hosts start it with."""
