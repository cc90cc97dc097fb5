"""Remove noise from images with neural networks."""
