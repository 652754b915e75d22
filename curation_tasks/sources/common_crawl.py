"""Common Crawl: from a snapshot's name to its files.

Layout (https://commoncrawl.org/get-started): ``collinfo.json`` lists the crawls; ``crawl-data/{crawl}/{kind}.paths.gz`` the files
of one, a path a line; ``crawl-data/CC-NEWS/{year}/{month}/warc.paths.gz`` those of a month of news. Published files never change.
"""

from __future__ import annotations

import json
import posixpath
import re
import zlib

import xxhash

from curation_tasks.errors import ConfigError, InputError, did_you_mean
from curation_tasks.parts import SourceUnit
from curation_tasks.sources.web import CommonCrawlParameters
from curation_tasks.storage.filesystem import absolute
from curation_tasks.storage.remote import read_remote

_PUBLIC = ("https://data.commoncrawl.org", "s3://commoncrawl")
_COLLINFO = "https://index.commoncrawl.org/collinfo.json"
_NEWS = re.compile(r"CC-NEWS-(\d{4})-(\d{2})")
_LISTING_BYTES = 512 * 2**20


def list_files(parameters: CommonCrawlParameters, snapshot: str) -> list[SourceUnit]:
    """The files of a snapshot, one unit each, in the order of its listing; with ``sample_seed`` a sample of them.

    The store is not asked for sizes: a crawl has 100,000 files. They never change, so their names are their versions.

    Raises:
        ConfigError: There is no such crawl; names the nearest.
        InputError: Its listing is damaged, or nothing in it is wanted.
    """
    base = absolute(parameters.base_url)
    listing = f"{base}/{_listing(parameters, snapshot)}"
    paths = _paths(listing, snapshot, parameters)
    if parameters.subset:
        paths = [path for path in paths if parameters.subset in path]
    if not paths:
        raise InputError("no file of the snapshot is wanted", where=listing, remedy="look at `subset` and `kind`")
    if parameters.max_files is not None:
        paths = _sample(paths, parameters.max_files, parameters.sample_seed)
    return [SourceUnit(f"{base}/{path}", path) for path in paths]


def crawl_ids(parameters: CommonCrawlParameters) -> list[str]:
    """The ids of all crawls, the newest first, from ``collinfo.json``.

    Raises:
        InputError: It is no such list.
    """
    uri = parameters.collinfo_url or (_COLLINFO if parameters.base_url in _PUBLIC else f"{absolute(parameters.base_url)}/collinfo.json")
    data = read_remote(uri)
    try:
        return [str(crawl["id"]) for crawl in json.loads(data)]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this is no list of crawls", where=uri, expected='[{"id": "CC-MAIN-2025-33", …}, …]') from error


def _listing(parameters: CommonCrawlParameters, snapshot: str) -> str:
    """The path of the snapshot's list of files below ``base_url``."""
    if news := _NEWS.fullmatch(snapshot):
        if parameters.kind != "warc":
            raise ConfigError(f"the news crawls have no {parameters.kind} files", where=snapshot, expected="kind: warc")
        return f"crawl-data/CC-NEWS/{news[1]}/{news[2]}/warc.paths.gz"
    known = crawl_ids(parameters)
    if snapshot not in known:
        raise ConfigError(
            f"Common Crawl has no snapshot {snapshot!r}; {did_you_mean(snapshot.upper(), known)}",
            expected="the id of a crawl, as CC-MAIN-2025-33, or a month of news, as CC-NEWS-2025-08",
            remedy="give --snapshot ID; https://index.commoncrawl.org/collinfo.json lists the crawls",
        )
    return f"crawl-data/{snapshot}/{parameters.kind}.paths.gz"


def _paths(uri: str, snapshot: str, parameters: CommonCrawlParameters) -> list[str]:
    try:
        data = read_remote(uri)
    except InputError as error:
        raise ConfigError(
            f"the snapshot {snapshot!r} has no list of its {parameters.kind} files",
            where=uri,
            expected="a published crawl, or a month of news since 2016",
            remedy=f"{error.what}; the oldest crawls have neither WET nor WAT files",
        ) from error
    try:
        unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
        text = unzip.decompress(data, _LISTING_BYTES)
        if not unzip.eof:
            raise ValueError("it is cut short, or no listing")
        paths = [line.strip() for line in text.decode("ascii").splitlines() if line.strip()]
    except (zlib.error, ValueError) as error:
        raise InputError(f"the listing is damaged: {error}", where=uri, expected="paths, one a line, gzip", remedy="try again") from error
    for path in paths:
        if posixpath.isabs(path) or ".." in path.split("/"):
            raise InputError(f"the listing has a path that leaves its folder: {path!r}", where=uri)
    return paths


def _sample(paths: list[str], most: int, seed: int | None) -> list[str]:
    """The first files, or those whose names hash lowest with the seed: the same ones wherever and whenever it is done."""
    if seed is None:
        return paths[:most]
    chosen = set(sorted(paths, key=lambda path: xxhash.xxh3_64_intdigest(f"{seed}\0{path}".encode()))[:most])
    return [path for path in paths if path in chosen]
