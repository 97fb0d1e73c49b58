"""Processes that a benchmark starts side by side and lets work in turns (see `rounds`)."""
