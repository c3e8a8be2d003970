"""The log: rows of what passed, loaded exactly once from the spool, and what people and judges think of them."""
