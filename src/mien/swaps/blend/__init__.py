"""How what is drawn of a face is laid into its picture: masks, colours, light, bands, grain."""
