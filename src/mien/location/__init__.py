"""Where faces are: detectors, landmarks, head pose."""
