"""Networks that turn a face into a vector, one module for each kind."""
