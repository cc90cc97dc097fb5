"""Classifiers of noisy pictures, one folder each. Imports no torch."""
