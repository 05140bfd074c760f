"""Training of the networks: samples from photographs, losses, the loop with its checkpoints."""
