"""The places that can hold a gallery: SQLite, PostgreSQL, Qdrant; and the checks that all of them make."""
