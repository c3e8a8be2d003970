"""Makes a first golden set, where nobody has one yet: from a week of the log, from a file of questions, or from shipped templates."""
