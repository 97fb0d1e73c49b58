"""Face detectors, one module for each family of networks; what they share is in `base` and `looks`."""
