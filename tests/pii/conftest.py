"""Plain Presidio, to compare with: its own recognizers over the whole text, offline."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from curation_tasks.kernels.utf8 import text_buffers


@pytest.fixture(scope="session")
def plain_presidio() -> Iterator[Callable[[str, str], list[tuple[int, int, float]]]]:
    """``find(entity, text) -> [(start, end, score)]`` in characters, in order of position."""
    import tldextract
    from presidio_analyzer.predefined_recognizers import EmailRecognizer, PhoneRecognizer, UrlRecognizer

    recognizers = {"EMAIL_ADDRESS": EmailRecognizer(), "PHONE_NUMBER": PhoneRecognizer(), "URL": UrlRecognizer()}

    def find(entity: str, text: str) -> list[tuple[int, int, float]]:
        return sorted((hit.start, hit.end, hit.score) for hit in recognizers[entity].analyze(text, [entity]))

    with pytest.MonkeyPatch.context() as patch:
        # Without this the first address would ask the network for the list of public suffixes.
        patch.setattr(tldextract, "extract", tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None))
        yield find


@pytest.fixture(scope="session")
def ours() -> Callable[[str, list[str]], list[list[tuple[int, int, float]]]]:
    """``find(entity, texts)``: the same from the windows, for each of several texts in one buffer."""
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    from curation_tasks.pii.recognizers import patterns

    finders = {
        "EMAIL_ADDRESS": patterns.find_emails,
        "PHONE_NUMBER": lambda offsets, data: patterns.find_phones(offsets, data, PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS),
        "URL": patterns.find_urls,
    }

    def find(entity: str, texts: list[str]) -> list[list[tuple[int, int, float]]]:
        offsets, data = text_buffers(pa.array(texts, pa.string()))
        hits = [[] for _ in texts]
        for span in finders[entity](offsets, data):
            encoded = texts[span["row"]].encode()
            start, end = (len(encoded[: position - offsets[span["row"]]].decode()) for position in (span["start"], span["end"]))
            hits[span["row"]].append((start, end, float(span["score"])))
        return [sorted(row) for row in hits]

    return find
