"""The scenarios of the campaign."""
