"""The assets of WriftAI."""
