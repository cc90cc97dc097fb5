"""Metadata: what a photo file holds beside its pixels, carried to the result.

Where the format stays, the container's own blocks are kept byte for byte. Where it changes, they are
converted as far as the new format can hold them, and the user is told of the rest.
"""
