"""The page on which photos are cleaned: `denoise serve`."""
