"""Data sets: their layouts read, checked, cleaned and written."""
