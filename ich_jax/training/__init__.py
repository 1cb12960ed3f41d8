"""From a config to trained networks: objectives, the compiled step, the loop, checkpoints."""
