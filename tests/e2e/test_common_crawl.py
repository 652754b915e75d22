"""The pipelines of Common Crawl from end to end, on a snapshot made for it: what was planted is found by its stage."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation_tasks.manifest import read_list, read_manifest

CRAWL = "CC-MAIN-2025-33"


@pytest.fixture(scope="module")
def snapshot(laid_out, tmp_path_factory) -> Path:
    from made_origins import common_crawl

    return laid_out(common_crawl(), tmp_path_factory.mktemp("snapshot"))


def run(name: str, snapshot: Path, root: Path, config: pytest.Config, *more: str) -> dict[str, dict]:
    argv = [
        sys.executable, "-m", "curation_tasks.cli", "run", f"dags/pipelines/{name}.yaml", "--root", str(root), "--json",
        "--set", f"base_url={snapshot}", *more,
    ]  # fmt: skip
    process = subprocess.run(argv, cwd=config.rootpath, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return {outcome["stage"]: outcome for outcome in json.loads(process.stdout)["stages"]}


@pytest.fixture(scope="module")
def english(snapshot, tmp_path_factory, request):
    return run("common_crawl_en", snapshot, tmp_path_factory.mktemp("data"), request.config, "--snapshot", CRAWL)


def rows(outcome: dict, *names: str) -> list[dict]:
    manifest = read_manifest(outcome["manifest"])
    tables = [pq.read_table(f"{manifest.folder}/{shard['path']}", columns=list(names)) for shard in read_list(manifest, "shards")]
    return [row for table in tables for row in table.to_pylist()]


def content(outcome: dict) -> dict:
    return read_manifest(outcome["manifest"]).content


def test_every_record_of_the_archives_is_accounted_for(english):
    pages = content(english["pages"])
    counted = sum(number for name, number in pages["counters"].items() if name.startswith("skipped."))
    assert pages["counters"]["records.in_archives"] == pages["counts"]["documents"] + pages["counts"]["rejected"] + counted
    # Three records a page, and the two that stand alone.
    assert pages["counters"]["records.in_archives"] == 2 + 3 * (20 + 3 + 1 + 20 + 2 + 4 + 3) + 2
    assert {name: pages["counters"][name] for name in ("skipped.status", "skipped.content_type", "skipped.language")} == {
        "skipped.status": 1, "skipped.content_type": 1, "skipped.language": 1,
    }  # fmt: skip
    assert pages["reasons"] == {"empty_text": 1}
    assert pages["counts"]["documents"] == 20 + 3 + 20 + 2 + 3 + 3


def test_each_stage_finds_what_was_planted_for_it(english):
    assert content(english["clean"])["reasons"] == {"url.substring": 1}
    assert sum(content(english["english"])["reasons"].values()) == 1
    assert sum(content(english["quality"])["reasons"].values()) == 1
    assert content(english["exact"])["reasons"] == {"exact_duplicate": 3}
    assert content(english["fuzzy"])["reasons"] == {"fuzzy_duplicate": 2}
    assert content(english["sentences"])["counts"]["cut_documents"] == 1
    assert english["export-parquet"]["counts"]["documents"] == english["export-jsonl"]["counts"]["documents"] == 43


def test_what_is_published_has_the_columns_of_its_pages_and_no_address_of_a_person(english):
    found = {row["url"]: row for row in rows(english["export-parquet"], "url", "text", "title", "language", "crawled")}
    assert {"http://first.example/0", "http://second.example/39", "http://contact.example/"} <= set(found)
    assert not any("near.example" in url and url.replace("near", "second") in found for url in found)
    contact = found["http://contact.example/"]
    assert "jane.roe" not in contact["text"]
    assert "<EMAIL_ADDRESS>" in contact["text"]
    assert (contact["title"], contact["language"], contact["crawled"].year) == ("Page 99", "en", 2025)
    assert "published" in english["publish"]


def test_a_limited_run_of_all_languages_is_a_trial(snapshot, tmp_path, request):
    outcomes = run("common_crawl_multilingual", snapshot, tmp_path, request.config, "--snapshot", f"{CRAWL}+trial", "--limit", "10")
    assert outcomes["pages"]["counts"]["records"] == 10
    assert outcomes["export"]["counts"]["documents"] == 10
    assert "published" in outcomes["publish"]


#: Paragraphs of prose whose sentences end as they do in their language, or without a mark; few have spaces.
PROSE = {
    "zh": [
        "今天早上下了很大的雨，河水漲得很快，住在橋邊的人都把家具搬到樓上。老師帶著學生到車站去，那裡有熱茶和麵包，還有乾的毯子。",
        "中午以後雨停了，孩子們坐在窗前聽站長講他年輕時候的故事。他說四十年前也有過這樣的大水，那時候村裡還沒有電話。",
        "傍晚水慢慢退了，大家回家打掃廚房和院子裡的泥土。雖然很累，可是沒有一個人受傷，鄰居們都很高興。",
    ],
    "ja": [
        "今朝は大雨が降って川の水が急に増え、橋のそばに住む人たちは家具を二階へ運びました。先生は生徒を連れて駅へ行き、温かいお茶とパンをもらいました。",
        "昼すぎに雨がやみ、子どもたちは窓のそばに座って駅長の若いころの話を聞きました。四十年前にも同じような洪水があり、村にはまだ電話がなかったそうです。",
        "夕方になると水がだんだん引いたので、みんなは家に帰って台所や庭の泥を片づけました。疲れましたが、けがをした人は一人もいませんでした。",
    ],
    "th": [
        "เช้านี้ฝนตกหนักมาก น้ำในแม่น้ำขึ้นอย่างรวดเร็ว คนที่อยู่ใกล้สะพานจึงช่วยกันยกโต๊ะและเก้าอี้ขึ้นไปไว้ชั้นบน",
        "ครูพานักเรียนไปพักที่สถานีรถไฟ ที่นั่นมีน้ำชาร้อนและขนมปังให้ทุกคน หลังเที่ยงฝนหยุดตก เด็กๆ นั่งฟังนายสถานีเล่าเรื่องเมื่อครั้งยังหนุ่ม",
        "ตอนเย็นน้ำค่อยๆ ลดลง ทุกคนกลับบ้านไปทำความสะอาดครัวและสวน ถึงจะเหนื่อยแต่ไม่มีใครได้รับบาดเจ็บ เพื่อนบ้านจึงดีใจมาก",
    ],
    "hi": [
        "आज सुबह बहुत तेज़ बारिश हुई और नदी का पानी जल्दी से ऊपर आ गया। पुल के पास रहने वाले लोगों ने अपना सामान ऊपर की मंज़िल पर रख दिया।",
        "अध्यापिका बच्चों को लेकर स्टेशन चली गईं, जहाँ सबको गरम चाय और रोटी मिली। दोपहर के बाद बारिश रुक गई और बच्चों ने पुराने दिनों की कहानी सुनी।",
        "शाम को पानी धीरे धीरे उतर गया और लोग अपने घर लौटकर रसोई और आँगन की मिट्टी साफ़ करने लगे। सब थक गए थे, लेकिन किसी को चोट नहीं लगी।",
    ],
}


def test_prose_in_scripts_without_spaces_or_ascii_marks_is_kept(laid_out, tmp_path, request):
    from made_archives import ArchiveMaker, snapshot_files

    maker = ArchiveMaker().info()
    for language, paragraphs in PROSE.items():
        body = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
        maker.fetched(f"http://{language}.example/", f"<html><body><article>{body}</article></body></html>".encode())
        maker.fetched(f"http://{language}-list.example/", f"<html><body><p>{paragraphs[0][:12]}</p></body></html>".encode())
    origin = laid_out(snapshot_files(CRAWL, {"warc": [maker.bytes()]}), tmp_path / "snapshot")
    outcomes = run("common_crawl_multilingual", origin, tmp_path / "data", request.config, "--snapshot", f"{CRAWL}+trial", "--limit", "100")
    assert {(row["url"], row["language"]) for row in rows(outcomes["export"], "url", "language")} == {
        (f"http://{language}.example/", language) for language in PROSE
    }
