"""The gate: decides, with evidence, whether a release holds what production taught."""
