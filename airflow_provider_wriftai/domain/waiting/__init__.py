"""Wait for versions."""
