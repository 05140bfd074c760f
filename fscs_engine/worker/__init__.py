"""The engine's worker process. What hosts start it with lies in the folder host."""
