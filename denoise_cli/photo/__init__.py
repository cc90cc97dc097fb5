"""Photos: reading, tiling, denoising, writing."""
