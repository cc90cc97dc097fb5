"""Training: the loop, its data, its checkpoints, several processes."""
