"""The vocabulary of mien: pictures, faces, columns, fields, geometry, errors. Imports nothing else of the package."""
