"""Files in and out beyond a single picture's pixels: provenance, folders, video."""
