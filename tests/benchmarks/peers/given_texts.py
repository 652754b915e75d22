"""What a peer is given on its command line: a Parquet file with a column `text`, how many rows of it, and where its report goes."""

from __future__ import annotations

import argparse

import pyarrow.parquet as pq


def given_texts(description: str | None) -> tuple[list[str], str]:
    """The texts, and the path of the report."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--corpus", required=True)
    arguments.add_argument("--rows", type=int, required=True)
    arguments.add_argument("--output", required=True)
    given = arguments.parse_args()
    texts = pq.read_table(given.corpus, columns=["text"]).column("text").slice(0, given.rows).to_pylist()
    return texts, given.output
