"""Trains small fastText models of all kinds into a folder: ``python tests/fasttext_models.py FOLDER``.

One of them, ``quality.bin``, is also committed in ``tests/corpus/models``, for the example of ``filters.fasttext_quality``.
In a process of its own, as fastText writes to its terminal and leaves memory uninitialised.
"""

import random
import sys
from pathlib import Path

LETTERS = {
    "la": "abcdefghijklmnopqrstuvwxyz",
    "el": "\u03b1\u03b2\u03b3\u03b4\u03b5\u03b6\u03b7\u03b8\u03b9\u03ba\u03bb\u03bc",
    "ja": "\u3042\u3044\u3046\u3048\u304a\u4eca\u65e5\u5929\u6c17",
    "em": "\U0001f436\U0001f431\U0001f42d\U00020000",
}
#: Name of the file → settings of training, and those of quantization.
MODELS = {
    "softmax.bin": ({"loss": "softmax", "minn": 0, "maxn": 0, "wordNgrams": 2, "bucket": 500, "dim": 10}, None),
    "words.bin": ({"loss": "softmax", "minn": 0, "maxn": 0, "wordNgrams": 1, "dim": 16}, None),
    "tree.bin": ({"loss": "hs", "minn": 1, "maxn": 3, "bucket": 1024, "dim": 16}, None),
    "negative.bin": ({"loss": "ns", "minn": 1, "maxn": 3, "wordNgrams": 2, "bucket": 1000, "dim": 9}, None),
    "each.bin": ({"loss": "ova", "minn": 2, "maxn": 5, "wordNgrams": 3, "bucket": 777, "dim": 5}, None),
    "pruned.ftz": (
        {"loss": "hs", "minn": 2, "maxn": 4, "bucket": 3000, "dim": 16},
        {"cutoff": 400, "qnorm": True, "retrain": True, "epoch": 1},
    ),
    "quantized.ftz": ({"loss": "softmax", "minn": 1, "maxn": 4, "wordNgrams": 2, "bucket": 300, "dim": 7}, {"qnorm": False}),
}

STORIES = "once upon time there was little girl who lived house dog fox jumps over story asked said met"
SHOPS = "buy now cheap free shipping click here login cart price sale order best offer deal link"
BOTH = "the a of and to in for with you we is it on all"


def main(folder: Path) -> None:
    import fasttext

    lines = folder / "lines.txt"
    lines.write_text("".join(f"__label__{label} {text}\n" for label, text in labelled_texts(400, seed=1)), encoding="utf-8")
    for name, (settings, quantization) in MODELS.items():
        model = fasttext.train_supervised(str(lines), epoch=20, lr=0.5, thread=1, verbose=0, **settings)
        if quantization is not None:
            model.quantize(str(lines), thread=1, verbose=0, **quantization)
        model.save_model(str(folder / name))
    lines.write_text("".join(f"__label__{label} {text}\n" for label, text in good_and_bad_texts(200)), encoding="utf-8")
    model = fasttext.train_supervised(str(lines), epoch=20, lr=0.5, minn=0, maxn=0, dim=8, thread=1, verbose=0)
    model.save_model(str(folder / "quality.bin"))
    many_languages(folder)


#: Labels of a model like GlotLID and OpenLID.
MANY_LABELS = tuple(
    f"{a}{b}{c}_{script}"
    for a in "aeiou"
    for b in "bcdfgh"
    for c in "klmnprst"
    for script in ("Latn", "Cyrl", "Arab", "Deva", "Hani", "Thai")
) + tuple(
    f"q{a}{b}_{script}" for a in "abcdefghij" for b in "abcdefghij" for script in ("Latn", "Cyrl", "Arab", "Deva", "Hani", "Thai", "Grek")
)


def many_languages(folder: Path) -> None:
    """Models of 2,140 labels: as GlotLID and OpenLID, and quantized to the last matrix. Not trained well, so that labels tie."""
    import fasttext

    chance = random.Random(3)
    letters = "".join(LETTERS.values())
    lines = folder / "languages.txt"
    with lines.open("w", encoding="utf-8") as file:
        for label in MANY_LABELS:
            words = ["".join(chance.choices(letters, k=chance.randint(2, 7))) for _ in range(3)]
            file.write(f"__label__{label} {' '.join(words)}\n" * 2)
    shape = {"loss": "softmax", "minn": 2, "maxn": 5, "wordNgrams": 1, "epoch": 3, "lr": 8.0, "thread": 1, "verbose": 0}
    fasttext.train_supervised(str(lines), dim=256, bucket=1000, **shape).save_model(str(folder / "languages.bin"))
    model = fasttext.train_supervised(str(lines), dim=12, bucket=2000, **shape)
    model.quantize(str(lines), thread=1, verbose=0, qnorm=True, qout=True, cutoff=2500)
    model.save_model(str(folder / "languages.ftz"))


def labelled_texts(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts of made-up words in the letters of their label; the words are always the same."""
    chance = random.Random(0)
    words = {label: ["".join(chance.choices(letters, k=chance.randint(1, 8))) for _ in range(60)] for label, letters in LETTERS.items()}
    chance = random.Random(seed)
    # Unlike frequencies, so that the Huffman tree is not balanced.
    labels = chance.choices(list(words), weights=[4, 3, 2, 1], k=count)
    return [(label, " ".join(chance.choices(words[label], k=chance.randint(1, 12)))) for label in labels]


def good_and_bad_texts(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Stories, labelled ``hq``, and the words of shops, labelled ``lq``; some words are in both."""
    chance = random.Random(seed)
    words = {"hq": f"{STORIES} {BOTH}".split(), "lq": f"{SHOPS} {BOTH}".split()}
    return [(label, " ".join(chance.choices(words[label], k=chance.randint(5, 30)))) for label in chance.choices(list(words), k=count)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
