"""People who are hidden, so that nobody is recognised."""
