"""Noise like that of given photos: measured in their flat parts, kept as YAML, added to clean pictures."""
