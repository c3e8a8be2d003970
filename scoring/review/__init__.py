"""People's part: the queue of what was flagged and of what was drawn at random, labels that say how they came about, and users' words."""
