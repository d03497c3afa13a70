"""From the output of a build tool to the digest of one image."""
