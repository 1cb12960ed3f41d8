"""How well a trained generator does, with uncertainty."""
