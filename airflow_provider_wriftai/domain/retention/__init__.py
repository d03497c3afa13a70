"""Decide which versions to delete, and delete them."""
