"""Small origins for the pipelines that are shipped, laid out as the real ones (``from made_origins import …``).

Each is a mapping of path below the base address → content. Every stage of the pipeline finds something that was planted for it.
"""

from __future__ import annotations

import gzip
import random
import tarfile
from io import BytesIO

from made_archives import ArchiveMaker, page, sentences, snapshot_files
from wikipedia_dump import DumpPage, origin

CRAWL = "CC-MAIN-2025-33"
DUMP = "20250801"
MONTH = "2025-03"
GERMAN = (
    "Am Morgen stand das Wasser vor den Türen der Häuser, die an der Brücke liegen, und niemand wusste, wie es weitergehen soll. "
    "Die Lehrerin und ihre Klasse verbrachten den Tag im Bahnhof, wo es Tee und Brot für alle gab und der Mann am Schalter erzählte. "
    "Erst am Abend fiel der Fluss, und die Leute begannen, den Schlamm aus ihren Küchen und aus ihren Gärten zu tragen."
)
WORDS = """river town water bridge market wood stone people house spring summer child mill year road field church winter harbour wall garden
    ship bread school letter music forest mountain island station"""


def common_crawl() -> dict[str, bytes]:
    """Two files: 42 good pages, of which two say the same in one place, three copies, two near copies, and pages that some stage
    has to reject."""
    german = f'<html lang="de"><body><article>{"".join(f"<p>{GERMAN}</p>" for _ in range(3))}</article></body></html>'.encode()
    first = ArchiveMaker().info()
    for number in range(20):
        first.fetched(f"http://first.example/{number}", page(number, 10))
    for number in range(3):
        first.fetched(f"http://copy.example/{number}", page(number, 10))
    first.fetched("http://empty.example/", b"<html><body></body></html>")
    first.response("http://none.example/", page(1), status="404 Not Found")
    first.response("http://picture.example/", b"\x89PNG", content_type="image/png")
    second = ArchiveMaker().info()
    for number in range(20, 40):
        second.fetched(f"http://second.example/{number}", page(number, 10))
    for number in (30, 31):
        near = page(number, 10).replace(b"<h1>Page", b"<h1>The page").replace(b"<p>", b"<p>Well, ", 1)
        second.fetched(f"http://near.example/{number}", near)
    second.fetched("http://deutsch.example/", german)
    second.fetched("http://unclaimed.example/", german.replace(b' lang="de"', b""))
    second.fetched("http://short.example/", b"<html><body><article><p>This page has only a few words for us.</p></article></body></html>")
    contact = page(99, 10).replace(b"</article>", b"<p>Write to jane.roe@example.org and we will answer you in a week.</p></article>")
    second.fetched("http://contact.example/", contact)
    second.fetched("http://first.example/porn/", page(50, 10))
    said = f"<p>{' '.join(sentences(51, 4))}</p></article>".encode()
    for number in (52, 53):
        second.fetched(f"http://said.example/{number}", page(number, 10).replace(b"</article>", said))
    return snapshot_files(CRAWL, {"warc": [first.bytes(), second.bytes()]})


def wikipedia() -> dict[str, bytes]:
    """A dump in two parts: eight articles, of which one is a near copy, and a copy, a stub, another language and a redirect."""
    pages = [DumpPage(number, f"River {number}", f"'''River {number}''' <ref>x</ref>{prose(number)}") for number in range(10, 16)]
    pages += [
        DumpPage(16, "Copy", pages[0].text),
        DumpPage(17, "Stub", "A ''river''."),
        DumpPage(18, "Fluss", "Der Fluss fließt durch die alte Stadt, und die Menschen haben ihre Häuser mit dem Holz gebaut. " * 8),
        DumpPage(19, "Old", "#REDIRECT [[River 10]]", redirect="River 10"),
        DumpPage(20, "Mail", f"{prose(1)} Write to someone@example.org. {prose(2)}\n== References ==\n* A"),
        DumpPage(21, "Near", f"{prose(1)} Write to nobody. {prose(2)}"),
    ]
    return {path[1:]: data for path, data in origin("enwiki", DUMP, pages, parts=2).items()}


def arxiv() -> dict[str, bytes]:
    """A month of one archive: three papers, a copy of the first, and one without TeX."""

    def paper(number: int) -> bytes:
        body = prose(number)
        return rf"\documentclass{{a}}\title{{On {number}}}\begin{{document}}\section{{S}}{body} $x_{number}$\end{{document}}".encode()

    contents = {f"2503/2503.0000{number}.gz": gzip.compress(paper(number), mtime=0) for number in range(1, 4)}
    contents |= {"2503/2503.00004.gz": contents["2503/2503.00001.gz"], "2503/2503.00005.pdf": b"%PDF-1.5"}
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    manifest = (
        "<arXivSRC><file><filename>src/arXiv_src_2503_001.tar</filename><num_items>5</num_items>"
        f"<size>{len(stream.getvalue())}</size><yymm>2503</yymm></file></arXivSRC>"
    )
    return {"src/arXiv_src_2503_001.tar": stream.getvalue(), "src/arXiv_src_manifest.xml": manifest.encode()}


def prose(seed: int, sentences: int = 12) -> str:
    """English of a kind, other sentences for another seed."""
    chance = random.Random(seed)
    noun = WORDS.split()
    pattern = "The {} of the {} was built with the {} that came from a {}, and it is said to have been the first {} in the {}."
    return " ".join(pattern.format(*chance.sample(noun, 6)) for _ in range(sentences))
