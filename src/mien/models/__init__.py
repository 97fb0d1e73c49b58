"""Models as files and facts: cards, licenses, where weights come from, and the store that keeps them.

Nothing here runs a model; `mien.runtime` does.
"""
