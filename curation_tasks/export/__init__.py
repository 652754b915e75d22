"""Export: the formats in which consumers get documents."""
