"""URLs are in a list when a plain reading of the list says so."""

import gzip
import re
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation_tasks.errors import ConfigError
from curation_tasks.filters.url import url
from curation_tasks.filters.url_lists import ascii_host, list_table
from curation_tasks.filters.url_parameters import UrlParameters
from curation_tasks.kernels.hash_tables import HashTable
from curation_tasks.kernels.url_parts import hashed_domains
from curation_tasks.testing import context_for


def judged(texts, /, **parameters):
    """``failed_rules`` of each URL."""
    checked = UrlParameters(**parameters)
    batch = url(pa.record_batch({"url": pa.array(texts, pa.string())}), checked, context_for(checked))
    return [rules or [] for rules in batch.column("failed_rules").to_pylist()]


BLOCKED = ["example.com", "bad.example.org", "x.co.uk", "b\u00fccher.de", "1.2.3.4"]
HOSTS = [
    "example.com",
    "EXAMPLE.com.",
    "www.example.com",
    "notexample.com",
    "example.com.evil.net",
    "example.org",
    "bad.example.org",
    "a.b.bad.example.org",
    "co.uk",
    "x.co.uk",
    "b\u00fccher.de",
    "www.B\u00dcCHER.de",
    "xn--bcher-kva.de",
    "1.2.3.4",
    "1.1.2.3.4",
    "localhost",
    "",
]
URLS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTPS://", "//", "", "ftp://"]),
    st.sampled_from(["", "user@", "user:pa@ss@", "example.com@"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["", ":80", ":443", ":8080", ":"]),
    st.sampled_from(["", "/", "/example.com", "/a@b", "?u=http://example.com/", "#example.com", "/x:80/"]),
)


def host_of(text):
    """The host of a URL by Python's own parser, in ASCII."""
    try:
        host = urlsplit(text if "//" in text.split("?")[0].split("#")[0] else f"//{text}").netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return ascii_host(re.sub(r":\d*$", "", host).rstrip(".").lower())


@given(urls=st.lists(URLS, min_size=1, max_size=8))
@example(urls=["http://example.com:80", "http://[::1]:80/", "  https://www.example.com/  ", "http://example.com\\x"])
@settings(max_examples=300)
def test_domains_block_what_lies_below_them(urls):
    expected = []
    for text in urls:
        labels = host_of(text.strip().replace("\\", "/")).split(".")
        above = {".".join(labels[index:]) for index in range(len(labels))}
        expected.append(["url.domain"] if above & {ascii_host(entry) for entry in BLOCKED} else [])
    assert judged(urls, domains=BLOCKED) == expected


@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("http://example.org/page", True),
        ("HTTPS://user@EXAMPLE.org:443/page/#top", True),
        ("example.org/page", True),
        ("http://example.org:8080/page", False),
        ("http://example.org/Page", False),
        ("http://example.org/page?a=1", False),
        ("http://www.example.org/page", False),
        ("http://example.org/query?b=2", True),
        ("http://example.org", False),
    ],
)
def test_addresses_are_compared_without_what_does_not_matter(text, blocked):
    assert judged([text], urls=["http://example.org/page", "https://example.org/query?b=2#x"]) == [["url.address"] if blocked else []]


PARTS = ["Casino", "poker", "dog", "cat", "-", "/", ".", "3", "\u00e9", "casinos", "_"]


@given(urls=st.lists(st.lists(st.sampled_from(PARTS), max_size=9).map("".join), min_size=1, max_size=6))
def test_words_are_what_stands_between_other_characters(urls):
    expected = []
    for text in urls:
        words = set(re.split("[^a-z0-9]+", text.lower()))
        letters = re.sub("[^a-z0-9]", "", text.lower())
        rules = {
            "url.word": "casino" in words,
            "url.soft_words.max": len(words & {"dog", "cat", "3"}) >= 2,
            "url.substring": "pokerdog" in letters or "catcat" in letters,
        }
        expected.append([rule for rule, missed in rules.items() if missed])
    assert judged(urls, words=["CASINO"], soft_words=["dog", "cat", "3"], substrings=["pokerDog", "catcat"]) == expected


def test_soft_words_tell_how_many_there_were():
    checked = UrlParameters(soft_words=["a", "b", "c"], min_soft_words=3)
    batch = url(pa.record_batch({"url": ["http://a/b-c", "http://a/b", None]}), checked, context_for(checked))
    assert batch.column("reject_value").to_pylist() == [3, None, None]
    assert batch.column("reject_threshold").to_pylist() == [2, None, None]


LIST = """
# a list of several habits
plain.com
  spaced.com\t
0.0.0.0 hosts.com # remark
127.0.0.1\ttabbed.com
0.0.0.0 0.0.0.0
::1 localhost
! a remark of a filter list
||adblock.com^$third-party
*.star.com
.dotted.com
https://url.com/path
b\u00fccher.de
UPPER.com
nodot
"""


@pytest.mark.parametrize("packed", [False, True])
def test_lists_of_several_habits_are_read(tmp_path, monkeypatch, packed):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "list"
    data = b"\xef\xbb\xbf" + LIST.replace("\n", "\r\n").encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    names = ["plain", "spaced", "hosts", "tabbed", "adblock", "star", "dotted", "url", "upper"]
    urls = [f"http://www.{name}.com/x" for name in names] + ["http://b\u00fccher.de"]
    assert judged(urls, domains_files=[str(path)]) == [["url.domain"]] * len(urls)
    assert judged(["http://nodot/", "http://other.com", "http://localhost/", None], domains_files=[str(path)]) == [[]] * 4


def test_hashes_of_files_are_kept_and_mapped(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "list"
    path.write_text("one.com\n")
    list_table("domains", (), (str(path),))
    [kept] = (tmp_path / "cache" / "url-lists").glob("*.npy")
    path.write_text("two.com\n")
    list_table.cache_clear()
    assert judged(["http://two.com", "http://one.com"], domains_files=[str(path)]) == [["url.domain"], []]
    assert len(list((tmp_path / "cache" / "url-lists").glob("*.npy"))) == 2
    assert HashTable.load(kept).first.shape == (1,)


def test_near_equal_domains_hash_apart():
    names = [f"a{left}.b{right}.com" for left in range(400) for right in range(400)]
    names += [name[::-1] for name in names] + [name.replace(".com", ".cpm") for name in names]
    hashes = hashed_domains(pa.array(names, pa.large_string()))
    assert len(np.unique(hashes[0])) == len(np.unique(hashes[1])) == len(set(names))


@given(values=st.lists(st.tuples(st.integers(1, 2**64 - 1), st.integers(0, 3)), max_size=50))
def test_a_table_finds_its_buckets(values):
    hashes = np.array(values, np.uint64).reshape(-1, 2).T
    table = HashTable.of(hashes)
    assert set(zip(table.first.tolist(), table.second.tolist(), strict=True)) == set(values)
    for first in table.first.tolist():
        bucket = first >> table.shift
        assert first in table.first[table.starts[bucket] : table.starts[bucket + 1]]


def test_of_many_hashes_each_is_kept_once():
    firsts = np.random.default_rng(3).integers(1, 50_000, 2**16, np.uint64)
    hashes = np.stack([firsts, firsts % np.uint64(3)])
    table = HashTable.of(np.concatenate([hashes, hashes[:, ::-1]], axis=1))
    assert table.first.tolist() == np.unique(firsts).tolist()
    assert table.second.tolist() == (np.unique(firsts) % np.uint64(3)).tolist()


def test_a_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / "list").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        judged(["http://x.com"], domains_files=[str(tmp_path / "list")])


@pytest.mark.parametrize("wrong", [{}, {"words": ["two words"]}, {"substrings": ["\u00e9"]}])
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError, match=r"nothing to look for|never found"):
        UrlParameters(**wrong)
