"""Recognising people: embedders, what their scores mean, and the comparison of two faces."""
