"""Networks that redraw faces: restoring ones, and those of the user's own."""
