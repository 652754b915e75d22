"""A small wiki of our own, laid out as dumps.wikimedia.org lays out dumps; and a small dump cut from a real one.

A real multistream file is a bzip2 stream with ``<mediawiki>`` and ``<siteinfo>``, streams of 100 pages, and one with
``</mediawiki>`` and a line end. Its index has a line ``offset:id:title`` a page, the title as it is escaped in the XML.
"""

import bz2
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

NAMESPACES = {-2: "Media", 0: "", 1: "Talk", 4: "Wikipedia", 6: "Datei", 10: "Vorlage", 14: "Kategorie", 828: "Modul"}


@dataclass(frozen=True)
class DumpPage:
    """A page: ``text`` None for a revision that was deleted."""

    number: int
    title: str
    text: str | None
    namespace: int = 0
    redirect: str = ""
    model: str = "wikitext"

    def xml(self) -> str:
        redirect = f'    <redirect title="{escape(self.redirect)}" />\n' if self.redirect else ""
        text = (
            '<text deleted="deleted" />'
            if self.text is None
            else f'<text bytes="{len(self.text.encode())}" xml:space="preserve">{escape(self.text)}</text>'
        )
        return (
            f"  <page>\n    <title>{escape(self.title)}</title>\n    <ns>{self.namespace}</ns>\n    <id>{self.number}</id>\n{redirect}"
            f"    <revision>\n      <id>{self.number + 1000}</id>\n      <parentid>{self.number + 900}</parentid>\n"
            f"      <timestamp>2025-08-01T12:00:{self.number % 60:02d}Z</timestamp>\n"
            f"      <contributor>\n        <username>A</username>\n        <id>7</id>\n      </contributor>\n"
            f"      <minor />\n      <comment>[[&lt;ref&gt;]]</comment>\n      <origin>{self.number + 1000}</origin>\n"
            f"      <model>{self.model}</model>\n      <format>text/x-wiki</format>\n      {text}\n"
            f"      <sha1>rn6d98dcq9l7dfxo73t3zzdyz595kho</sha1>\n    </revision>\n  </page>\n"
        )


def pages_of_a_wiki(articles: int) -> list[DumpPage]:
    """Articles of growing length, and one page of every other kind after each fourth of them."""
    pages = [
        DumpPage(0, "Vorlage:Haus", "{{{1}}}", namespace=10),
        DumpPage(0, "Altes Haus", "#WEITERLEITUNG [[Haus]]", redirect="Haus"),
        DumpPage(0, "MediaWiki:Common.css", "a { color: red }", model="css"),
        DumpPage(0, "Gelöscht", None),
        DumpPage(0, "Leer", "{{Haus}}[[Kategorie:Leer]]"),
    ]
    made = []
    for number in range(articles):
        made.append(DumpPage(0, f"Haus Nr. {number}/ä?", article(number)))
        if number % 4 == 3:
            made.append(pages[number // 4 % len(pages)])
    return [
        DumpPage(number, page.title, page.text, page.namespace, page.redirect, page.model) for number, page in enumerate(made, start=10)
    ]


def article(number: int) -> str:
    sentences = " ".join(f"Satz ''{k}'' über [[Haus|Häuser]] & {{{{lang|de|Gärten}}}}." for k in range(number % 7 + 1))
    return f"'''Haus {number}''' {sentences}\n== Lage ==\n[[Datei:Haus.jpg|mini|Ein Haus]]Am Ende.\n[[Kategorie:Haus {number % 3}]]"


def header() -> str:
    namespaces = "".join(
        f'      <namespace key="{key}" case="first-letter"' + (f">{name}</namespace>\n" if name else " />\n")
        for key, name in NAMESPACES.items()
    )
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.mediawiki.org/xml/export-0.11/ http://www.mediawiki.org/xml/export-0.11.xsd" '
        'version="0.11" xml:lang="de">\n  <siteinfo>\n    <sitename>Wikipedia</sitename>\n    <dbname>dewiki</dbname>\n'
        "    <base>https://de.wikipedia.org/wiki/Hauptseite</base>\n    <generator>MediaWiki 1.45.0-wmf.12</generator>\n"
        f"    <case>first-letter</case>\n    <namespaces>\n{namespaces}    </namespaces>\n  </siteinfo>\n"
    )


def xml_dump(pages: Sequence[DumpPage]) -> str:
    return header() + "".join(page.xml() for page in pages) + "</mediawiki>\n"


def multistream(pages: Sequence[DumpPage], pages_per_stream: int = 100) -> tuple[bytes, bytes]:
    """The file of many streams, and its index."""
    return _streams(header(), [page.xml() for page in pages], pages_per_stream)


def _streams(head: str, pages: Sequence[str], pages_per_stream: int) -> tuple[bytes, bytes]:
    data, index = bz2.compress(head.encode()), ""
    for start in range(0, len(pages), pages_per_stream):
        group = pages[start : start + pages_per_stream]
        index += "".join(f"{len(data)}:{_first(r'<id>(.*?)</id>', page)}:{_first(r'<title>(.*?)</title>', page)}\n" for page in group)
        data += bz2.compress("".join(group).encode())
    return data + bz2.compress(b"</mediawiki>\n"), bz2.compress(index.encode())


def _first(pattern: str, page: str) -> str:
    return re.search(pattern, page)[1]


def cut_of_a_real_dump(dump: bytes, date: str, index: bytes | None = None, most_pages: int = 1000) -> tuple[str, dict[str, bytes], int]:
    """The first pages of a real dump as an origin would serve them: wiki, path → content, pages.

    Args:
        dump: A file ``*-pages-articles*.xml.bz2``. Of a multistream file with its index whole streams are taken, byte for byte;
            of another one each page as it stands there, in streams of 100 as UTF-8.
        date: For the names.
        index: Of the multistream file, decompressed or not.
        most_pages: No more than these, by whole streams.
    """
    if index is not None:
        lines = (bz2.decompress(index) if index.startswith(b"BZh") else index).decode().splitlines(keepends=True)
        offsets = [int(line.partition(":")[0]) for line in lines]
        beyond = next((offset for offset in offsets[most_pages:] if offset > offsets[most_pages - 1]), None)
        taken = [line for line, offset in zip(lines, offsets, strict=True) if beyond is None or offset < beyond]
        footer = b"" if beyond is None else bz2.compress(b"</mediawiki>\n")
        streams, listed, count = dump[:beyond] + footer, bz2.compress("".join(taken).encode()), len(taken)
        wiki = re.search(rb"<dbname>(\w+)</dbname>", bz2.BZ2Decompressor().decompress(dump[: offsets[0]]))[1].decode()
    else:
        data = bz2.decompress(dump)
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8").replace("\r\n", "\n")
        text = re.sub(r"\A\s*<\?xml[^>]*\?>\s*", "", text)
        pages = re.findall(r"[ \t]*<page>.*?</page>\n?", text, re.DOTALL)[:most_pages]
        streams, listed = _streams(text[: text.index("<page>")].rstrip(" \t"), pages, 100)
        wiki, count = _first(r"<dbname>(\w+)</dbname>", text) if "<dbname>" in text else "enwiki", len(pages)
    name = f"/{wiki}/{date}/{wiki}-{date}-pages-articles-multistream"
    files = {f"{name}.xml.bz2": streams, f"{name}-index.txt.bz2": listed}
    status = {"version": "0.8", "jobs": {"articlesmultistreamdump": _job(files)}}
    return wiki, files | {f"/{wiki}/{date}/dumpstatus.json": json.dumps(status).encode()}, count


def origin(wiki: str, date: str, pages: Sequence[DumpPage], pages_per_stream: int = 5, parts: int = 2) -> dict[str, bytes]:
    """Path → content of all that an origin serves for the dump of one day, cut into parts."""
    cut = -(-len(pages) // parts)
    streams: dict[str, bytes] = {}
    plain: dict[str, bytes] = {}
    folder = f"/{wiki}/{date}"
    for part in range(parts):
        group = pages[part * cut : (part + 1) * cut]
        ids = f"p{group[0].number}p{group[-1].number}"
        data, index = multistream(group, pages_per_stream)
        streams[f"{folder}/{wiki}-{date}-pages-articles-multistream{part + 1}.xml-{ids}.bz2"] = data
        streams[f"{folder}/{wiki}-{date}-pages-articles-multistream-index{part + 1}.txt-{ids}.bz2"] = index
        plain[f"{folder}/{wiki}-{date}-pages-articles{part + 1}.xml-{ids}.bz2"] = bz2.compress(xml_dump(group).encode())
    status = {
        "version": "0.8",
        "jobs": {
            "articlesmultistreamdump": _job(streams),
            "articlesdump": _job(plain),
            "metahistory7zdump": {"status": "waiting", "updated": ""},
        },
    }
    listing = f'<html><a href="../">../</a><a href="{date}/">{date}/</a><a href="latest/">latest/</a></html>'
    return streams | plain | {f"{folder}/dumpstatus.json": json.dumps(status).encode(), f"/{wiki}/": listing.encode()}


def _job(files: dict[str, bytes]) -> dict:
    return {
        "status": "done",
        "updated": "2025-08-04 10:11:12",
        "files": {
            path.rpartition("/")[2]: {
                "size": len(data),
                "url": path,
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            }
            for path, data in files.items()
        },
    }
