"""Scoring, comparison, tables and figures."""
