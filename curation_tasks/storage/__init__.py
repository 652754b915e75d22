"""Where data lives: files and object stores through fsspec, the commit primitive, and Parquet shards."""
