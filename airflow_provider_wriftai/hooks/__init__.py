"""Hooks for WriftAI."""
