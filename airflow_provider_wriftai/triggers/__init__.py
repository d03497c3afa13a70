"""Triggers for WriftAI."""
