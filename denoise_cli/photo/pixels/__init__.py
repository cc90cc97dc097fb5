"""Pixels in memory: colour, alpha, range, noise, and how much of it goes."""
