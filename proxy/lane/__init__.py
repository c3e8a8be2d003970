"""The fast lane: one request's life from the listener to the upstream and back, with a copy kept on the way."""
