"""Data sets: each becomes `Images`, in memory where they fit."""
