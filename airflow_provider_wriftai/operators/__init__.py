"""Operators for WriftAI."""
