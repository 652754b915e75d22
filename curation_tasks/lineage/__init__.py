"""What became of the documents: the tree of manifests, its funnel, the report, one document's way, and proof that nothing changed."""
