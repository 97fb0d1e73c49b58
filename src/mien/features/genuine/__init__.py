"""Whether a picture is genuine: signs of a print or a screen before the camera, and of a face that was made."""
