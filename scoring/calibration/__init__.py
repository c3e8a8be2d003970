"""Judges held against people: how far they agree, whether they drift, and whether what is known of them is still fresh."""
