"""Accuracy on data with ground truth: one module for each protocol of the literature."""
