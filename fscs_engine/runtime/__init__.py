"""What computing needs of the machine: memory, threads, compiled loops, Ctrl-C."""
