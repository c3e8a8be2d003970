"""Release governance: what shipped on which verdict and on whose word, the bundle that shows it, and how it did afterwards."""
