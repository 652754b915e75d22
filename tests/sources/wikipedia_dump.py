"""A small wiki of our own, laid out as dumps.wikimedia.org lays out dumps."""

import bz2
import hashlib
import json
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
            f"    <revision>\n      <id>{self.number + 1000}</id>\n      <timestamp>2025-08-01T12:00:{self.number % 60:02d}Z</timestamp>\n"
            f"      <contributor>\n        <username>A</username>\n        <id>7</id>\n      </contributor>\n"
            f"      <model>{self.model}</model>\n      <format>text/x-wiki</format>\n      {text}\n    </revision>\n  </page>\n"
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
    namespaces = "".join(f'      <namespace key="{key}" case="first-letter">{name}</namespace>\n' for key, name in NAMESPACES.items())
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">\n  <siteinfo>\n'
        "    <sitename>Wikipedia</sitename>\n    <dbname>dewiki</dbname>\n    <base>https://de.wikipedia.org/wiki/Hauptseite</base>\n"
        f"    <namespaces>\n{namespaces}    </namespaces>\n  </siteinfo>\n"
    )


def xml_dump(pages: Sequence[DumpPage]) -> str:
    return header() + "".join(page.xml() for page in pages) + "</mediawiki>\n"


def multistream(pages: Sequence[DumpPage], pages_per_stream: int) -> tuple[bytes, bytes]:
    """The file of many streams, and its index."""
    data, index = bz2.compress(header().encode()), ""
    for start in range(0, len(pages), pages_per_stream):
        group = pages[start : start + pages_per_stream]
        index += "".join(f"{len(data)}:{page.number}:{page.title}\n" for page in group)
        data += bz2.compress("".join(page.xml() for page in group).encode())
    return data + bz2.compress(b"</mediawiki>"), bz2.compress(index.encode())


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
