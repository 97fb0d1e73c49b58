"""Features of a face: what it shows, whether it fits a purpose, whether it is genuine."""
