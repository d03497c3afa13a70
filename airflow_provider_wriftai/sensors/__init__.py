"""Sensors for WriftAI."""
