"""Nearest vectors among many: a cache beside the default store."""
