"""mwparserfromhell on wikitext: how fast, and what text a walk over its nodes gives. Runs in an environment of its own, see
``bench_wikipedia.py``.

The walk keeps text, labels of links, titles of sections and characters of entities. It drops templates, files, categories,
links to other languages, tables and the elements that have no text. ``strip_code`` would keep ``thumb|left|…`` and lose words.
"""

import argparse
import json
import re
import time

import mwparserfromhell
import pyarrow as pa
import pyarrow.parquet as pq
from mwparserfromhell import nodes

DROPPED = {"ref", "references", "math", "chem", "ce", "gallery", "timeline", "score", "imagemap", "style", "script", "hiero", "graph"}
DROPPED |= {"mapframe", "maplink", "templatestyles", "syntaxhighlight", "source", "table"}
BREAKS = {"br", "hr", "p", "div", "li", "td", "th", "tr"}
LANGUAGE = re.compile(r"(?:[a-z]{2,3}(?:-[a-z-]+)?|simple):")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("pages")
    arguments.add_argument("result")
    arguments.add_argument("--namespaces", nargs="*", default=[])
    options = arguments.parse_args()
    namespaces = re.compile(r"\s*(?:" + "|".join(map(re.escape, options.namespaces)) + r")\s*:", re.IGNORECASE)
    texts = pq.read_table(options.pages)["text"].to_pylist()
    begin = time.process_time()
    walked = []
    for text in texts:
        out = []
        walk(mwparserfromhell.parse(text), namespaces, out)
        walked.append("".join(out))
    seconds = time.process_time() - begin
    pq.write_table(pa.table({"text": walked}), options.result)
    print(json.dumps({"seconds": seconds}))


def walk(code, namespaces, out):
    for node in code.nodes:
        if isinstance(node, nodes.Text):
            out.append(node.value)
        elif isinstance(node, nodes.Wikilink):
            title = str(node.title)
            if not namespaces.match(title) and not (node.text is None and LANGUAGE.match(title)):
                walk(node.text if node.text is not None else node.title, namespaces, out)
        elif isinstance(node, nodes.ExternalLink):
            if node.title is not None:
                walk(node.title, namespaces, out)
            elif not node.brackets:
                out.append(str(node.url))
        elif isinstance(node, nodes.Heading):
            out.append("\n")
            walk(node.title, namespaces, out)
            out.append("\n")
        elif isinstance(node, nodes.HTMLEntity):
            out.append(node.normalize())
        elif isinstance(node, nodes.Tag):
            name = str(node.tag).strip().lower()
            if name in DROPPED or node.wiki_markup in ("*", "#", ":", ";"):
                continue
            if name in BREAKS:
                out.append("\n")
            if node.contents is not None:
                walk(node.contents, namespaces, out)


if __name__ == "__main__":
    main()
