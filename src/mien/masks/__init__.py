"""Masks: what each pixel belongs to, who stands before what, and where people end and the background begins."""
