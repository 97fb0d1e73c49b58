"""What moves in a face: expression, pose, gaze; and photos that move as a clip does."""
