"""Galleries: people and faces that are kept, searched, grouped, corrected and deleted."""
