"""SimHash: 64 bits of a text of which similar texts share most, and bands in which near ones must meet.

Bit i is the majority of bit i over the text's shingles, each occurrence counted; a tie is 0. The share of equal bits falls
with the angle between the vectors of shingles.

Bands: the 64 bits are cut into ``blocks`` blocks. Of two hashes that differ in at most k bits, at least ``blocks − k`` blocks
are equal. So there is a band for each choice of ``blocks − k`` blocks, and every such pair shares at least one.

Source:
    Charikar: Similarity estimation techniques from rounding algorithms, STOC 2002; Manku, Jain, Das Sarma: Detecting
    near-duplicates for web crawling, WWW 2007.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa

from curation_tasks.kernels.compilation import BYTES, OFFSETS, kernel
from curation_tasks.kernels.normal_form import PADDING, ascii_table
from curation_tasks.kernels.shingles import K1, SHINGLING, Shingling, longest_text, mix, shingles_of
from curation_tasks.kernels.sketch import Sketches
from curation_tasks.kernels.utf8 import text_buffers

BITS = 64


def block_masks(bands: int, distance: int) -> np.ndarray:
    """The bits that each band looks at.

    Args:
        bands: Number of ways to leave out ``distance`` blocks: ``comb(blocks, distance)`` for some number of blocks.
        distance: k, number of bits in which hashes may differ.

    Returns:
        uint64, shape (bands,).

    Raises:
        ValueError: No number of blocks has so many ways.
    """
    for blocks in range(distance + 1, BITS + 1):
        left_out = list(combinations(range(blocks), distance))
        if len(left_out) == bands:
            edges = [BITS * block // blocks for block in range(blocks + 1)]
            masks = [sum(1 << bit for bit in range(edges[block], edges[block + 1])) for block in range(blocks)]
            return np.array([sum(mask for block, mask in enumerate(masks) if block not in out) for out in left_out], np.uint64)
        if len(left_out) > bands:
            break
    raise ValueError(f"no number of blocks gives {bands} bands for distance {distance}")


def simhashes(texts: pa.Array, shingling: Shingling, bands: int, distance: int) -> Sketches:
    """SimHashes of texts, as sketches of 8 bytes. All values of a text without shingles are 0.

    Args:
        texts: string or large_string, shape (rows,); a null is an empty text.
        shingling: What a text is taken to be.
        bands: See ``block_masks``.
        distance: See ``block_masks``.
    """
    offsets, data = text_buffers(texts)
    count, masks = len(texts), block_masks(bands, distance)
    hashes = np.zeros(count, np.uint64)
    found = Sketches(
        np.zeros(count, np.int64),
        np.zeros((2, count), np.uint64),
        hashes.view(np.uint8).reshape(count, 8),
        np.zeros((bands, count), np.uint64),
    )
    _simhash(data, offsets, *shingling.arguments(), masks, found.shingles, found.fingerprints, hashes, found.bands)
    return found


@kernel(f"void({BYTES}, {OFFSETS}, {SHINGLING}, uint64[::1], int64[::1], uint64[:, ::1], uint64[::1], uint64[:, ::1])")
def _simhash(data, offsets, table, form, width, power, seed, masks, counts, fingerprints, hashes, bands):
    longest = longest_text(offsets)
    ascii_bytes = ascii_table(table)
    text, units, shingles = np.empty(2 * longest + PADDING, np.uint8), np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    votes = np.empty(BITS, np.int64)
    for row in range(offsets.shape[0] - 1):
        count = shingles_of(data, offsets[row], offsets[row + 1], table, ascii_bytes, form, width, power, seed, text, units, shingles)
        counts[row] = count
        if count == 0:
            continue
        first = second = np.uint64(0)
        votes[:] = 0
        for k in range(count):
            first += mix(shingles[k])
            second += mix(shingles[k] ^ K1)
            for bit in range(BITS):
                votes[bit] += np.int64((shingles[k] >> np.uint64(bit)) & np.uint64(1))
        fingerprints[0, row], fingerprints[1, row] = first, second
        value = np.uint64(0)
        for bit in range(BITS):
            if 2 * votes[bit] > count:
                value |= np.uint64(1) << np.uint64(bit)
        hashes[row] = value
        for band in range(masks.shape[0]):
            bands[band, row] = mix(mix(value & masks[band]) + np.uint64(band + 1) * K1)
