"""Grouping faces into people, asking where that is not sure, and showing both."""
