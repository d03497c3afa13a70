"""Publish exactly one version of an image."""
