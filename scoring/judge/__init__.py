"""The judge: a language model that answers yes/no questions about an exchange, treated as an instrument with a serial number."""
