"""Images and the briefs they fulfil: procedural designs, image folders and arrays."""
