"""What is seen of a face without its moving: colours, make-up, filters, styles, light."""
