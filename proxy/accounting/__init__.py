"""What an exchange cost: pure functions from a reading, a price list and a moment to an amount, or to why there is none."""
