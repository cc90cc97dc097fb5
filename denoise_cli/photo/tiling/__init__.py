"""Windows of a photo, so that memory depends on the window alone."""
