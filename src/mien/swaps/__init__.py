"""Pictures that were made or changed: each result is an `Edit`, and each file of it says that it is synthetic."""
