"""What finds personal data, each in its own module: patterns (Presidio), given names, spaCy models."""
