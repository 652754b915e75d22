"""Common Crawl: from a snapshot's name to its files.

Layout (https://commoncrawl.org/get-started): ``collinfo.json`` lists the crawls; ``crawl-data/{crawl}/{kind}.paths.gz`` the files
of one, a path a line; ``crawl-data/CC-NEWS/{year}/{month}/warc.paths.gz`` those of a month of news. Published files never change.
"""

from __future__ import annotations

import json
import posixpath
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import xxhash

from curation_tasks.errors import ConfigError, InputError, did_you_mean
from curation_tasks.parts import Snapshot, SourceUnit
from curation_tasks.sources.web import CommonCrawlParameters
from curation_tasks.storage.filesystem import absolute, glob_files, scheme_of
from curation_tasks.storage.remote import read_remote
from curation_tasks.storage.remote_file import REMOTE_SCHEMES, RemoteFile

_PUBLIC = ("https://data.commoncrawl.org", "s3://commoncrawl")
_COLLINFO = "https://index.commoncrawl.org/collinfo.json"
_NEWS = re.compile(r"CC-NEWS-(\d{4})-(\d{2})")
_FIRST_NEWS = date(2016, 8, 1)
_LISTING_BYTES = 512 * 2**20


def list_files(parameters: CommonCrawlParameters, snapshot: str) -> list[SourceUnit]:
    """The files of a snapshot, one unit each, in the order of its listing; with ``sample_seed`` a sample of them.

    The origin is not asked for sizes: a crawl has 100,000 files. They never change, so their names are their versions. Files of a
    folder have size and time of change.

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
    return [_unit(f"{base}/{path}", path) for path in paths]


def list_snapshots(parameters: CommonCrawlParameters) -> list[Snapshot]:
    """The crawls, each on the day it began, or the months of news that are over.

    Raises:
        InputError: The list of crawls is damaged.
        TransientError: The origin does not answer.
    """
    if parameters.collection == "news":
        return [Snapshot(f"CC-NEWS-{month}", f"{month}-01") for month in _news_months(parameters, datetime.now(UTC).date())]
    return [Snapshot(str(crawl["id"]), _began(crawl), _ended(crawl)) for crawl in _crawls(parameters)]


def _unit(uri: str, path: str) -> SourceUnit:
    if scheme_of(uri) in REMOTE_SCHEMES:
        return SourceUnit(uri, path)
    files = glob_files(uri)
    if not files:
        raise InputError("the listing names a file that is not there", where=uri, remedy="fetch it, or take it from the listing")
    return SourceUnit(uri, path, files[0].bytes, files[0].etag)


def crawl_ids(parameters: CommonCrawlParameters) -> list[str]:
    """The ids of all crawls, the newest first, from ``collinfo.json``.

    Raises:
        InputError: It is no such list.
    """
    return [str(crawl["id"]) for crawl in _crawls(parameters)]


def _crawls(parameters: CommonCrawlParameters) -> list[dict[str, Any]]:
    uri = parameters.collinfo_url or (_COLLINFO if parameters.base_url in _PUBLIC else f"{absolute(parameters.base_url)}/collinfo.json")
    data = read_remote(uri)
    try:
        crawls = [dict(crawl) for crawl in json.loads(data)]
        if not all(crawl["id"] for crawl in crawls):
            raise ValueError("a crawl has no id")
        return crawls
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this is no list of crawls", where=uri, expected='[{"id": "CC-MAIN-2025-33", …}, …]') from error


def _began(crawl: Mapping[str, Any]) -> str:
    """The day a crawl began, as the list says, else by its id: a year and a week, or years."""
    if crawl.get("from"):
        return str(crawl["from"])[:10]
    numbers = [int(part) for part in re.findall(r"\d+", str(crawl["id"]))]
    if len(numbers) == 2 and 1 <= numbers[1] <= 53:
        return date.fromisocalendar(numbers[0], min(numbers[1], 52), 1).isoformat()
    return f"{numbers[0] if numbers else 1970:04}-01-01"


def _ended(crawl: Mapping[str, Any]) -> str:
    # The list's times are in UTC and do not say so.
    return f"{str(crawl['to'])[:19]}+00:00" if crawl.get("to") else ""


def _news_months(parameters: CommonCrawlParameters, today: date) -> list[str]:
    """The months since the first of the news crawl, up to the newest that is over and listed."""
    months = [f"{year}-{month:02}" for year in range(_FIRST_NEWS.year, today.year + 1) for month in range(1, 13)]
    months = [month for month in months if f"{_FIRST_NEWS:%Y-%m}" <= month < f"{today:%Y-%m}"]
    while months:
        year, month = months[-1].split("-")
        try:
            RemoteFile(f"{absolute(parameters.base_url)}/crawl-data/CC-NEWS/{year}/{month}/warc.paths.gz").stat()
        except InputError:
            months.pop()
        else:
            break
    return months


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
            raise InputError(
                f"the listing has a path that leaves its folder: {path!r}", where=uri, remedy="take the listing from its origin"
            )
    return paths


def _sample(paths: list[str], most: int, seed: int | None) -> list[str]:
    """The first files, or those whose names hash lowest with the seed: the same ones wherever and whenever it is done."""
    if seed is None:
        return paths[:most]
    chosen = set(sorted(paths, key=lambda path: xxhash.xxh3_64_intdigest(f"{seed}\0{path}".encode()))[:most])
    return [path for path in paths if path in chosen]
