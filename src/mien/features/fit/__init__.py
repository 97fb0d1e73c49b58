"""Whether the picture of a face is fit for its use: quality for recognition, and portraits for documents."""
