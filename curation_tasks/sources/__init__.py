"""Sources: where documents come from. Each yields one row for every record, documents and rejected records alike."""
