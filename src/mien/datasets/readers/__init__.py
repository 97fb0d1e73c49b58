"""Readers of published annotation layouts, one module each."""
