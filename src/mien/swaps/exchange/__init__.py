"""One person's face in another's place: by geometry, and by networks of the user's own."""
