"""What stands behind people: blurred, replaced, taken out."""
