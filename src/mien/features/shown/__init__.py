"""What a face shows to an onlooker."""
