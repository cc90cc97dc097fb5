"""Photo files: formats, reading, writing, names."""
