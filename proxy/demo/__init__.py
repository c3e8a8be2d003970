"""A shop that does not exist, its provider and its customers: so that a newcomer sees the whole loop without a key."""
