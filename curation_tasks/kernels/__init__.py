"""Compiled loops over Arrow string buffers. They know texts and bytes, and nothing of pipelines."""
