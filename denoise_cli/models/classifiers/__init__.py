"""Networks that say what a noisy picture shows: a folder each. Imports no torch."""
