"""Samples for reports: nothing personal stays, and nothing heavy is loaded."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from curation_tasks.pii.samples import redact_samples


def test_samples_lose_what_looks_personal():
    text = "Lily wrote to ben@example.invalid, see example.com/ben or call (030) 12 34 56-7 now."
    assert redact_samples([text, "", "no one, 3 cats"]) == [
        "<PERSON> wrote to <EMAIL_ADDRESS> see <URL> or call <PHONE_NUMBER> now.", "", "no one, 3 cats",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=30), max_size=4), st.sampled_from(["ben@example.com", "http://example.com", "+1 212-555-5555"]))
def test_whatever_stands_around_it_goes(texts, secret):
    for text, redacted in zip(texts, redact_samples([f"{text}\n{secret}\n{text}" for text in texts]), strict=True):
        assert secret not in redacted or secret in text


def test_no_recognizer_is_loaded():
    code = """
import sys
from curation_tasks.pii.samples import redact_samples
redact_samples(["Tom"])
print(*{"presidio_analyzer", "spacy", "phonenumbers", "tldextract"} & set(sys.modules))
"""
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.split() == []


def test_planning_loads_no_engine():
    code = "import sys; import curation_tasks.pii.catalog; sys.exit(any(name in sys.modules for name in ('numpy', 'pyarrow', 'numba')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
