"""From the output of a build tool to the digest of one image.

``read.read_image`` is the entry point. ``metadata.READERS`` is the table of the shapes of metadata that are known; each
source has a module of its own. A reader yields what it finds as ``image.Entry``; ``select.select_image`` chooses.
"""
