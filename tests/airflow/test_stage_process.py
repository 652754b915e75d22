"""A stage's process: its lines, its end, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from curation_airflow.stage_process import StageProcess


def python(code: str, **options) -> StageProcess:
    return StageProcess([sys.executable, "-c", code], os.environ, **options)


def test_lines_of_both_streams_arrive_whole_and_in_order():
    code = (
        "import sys\n"
        "for n in range(3): print('out', n, flush=True); print('err ä', n, file=sys.stderr, flush=True)\n"
        "sys.stdout.write('end')"
    )
    lines: list[str] = []
    assert python(code).run(lines.append) == 0
    assert lines == ["out 0", "err ä 0", "out 1", "err ä 1", "out 2", "err ä 2", "end"]


def test_bytes_that_are_no_text_do_not_stop_the_stage():
    lines: list[str] = []
    assert python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe\n')").run(lines.append) == 0
    assert lines == ["��"]


@pytest.mark.parametrize("code", [0, 1, 65, 78])
def test_the_exit_code_is_returned(code):
    assert python(f"raise SystemExit({code})").run(lambda line: None) == code


def test_the_signal_that_ended_the_stage_is_returned():
    assert python("import os; os.kill(os.getpid(), 9)").run(lambda line: None) == -signal.SIGKILL


def test_a_grandchild_that_holds_the_output_open_neither_hangs_the_task_nor_lives_on(tmp_path):
    place = tmp_path / "pid"
    assert python(f"{_GRANDCHILD.format(place=str(place))}; os._exit(7)").run(lambda line: None) == 7
    assert _is_gone(int(place.read_text()))


def test_stop_ends_the_whole_group(tmp_path):
    place = tmp_path / "pid"
    process = python(f"{_GRANDCHILD.format(place=str(place))}; print('ready', flush=True); time.sleep(600)")
    assert process.run(lambda line: process.stop()) == -signal.SIGTERM
    assert _is_gone(int(place.read_text()))


def test_a_stage_that_does_not_stop_is_killed_after_the_grace_period():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    process = python(code, grace_seconds=0.3)
    assert process.run(lambda line: process.stop()) == -signal.SIGKILL


def test_a_stage_may_clean_up_when_told_to_stop():
    code = (
        "import signal, sys, time\n"
        "def end(number, frame): print('cleaned up', flush=True); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"
    )
    process, lines = python(code), []

    def on_line(line: str) -> None:
        lines.append(line)
        process.stop()

    assert process.run(on_line) == 143
    assert lines == ["ready", "cleaned up"]


def test_an_error_of_the_reader_ends_the_stage(tmp_path):
    place = tmp_path / "pid"
    process = python(
        f"import os, pathlib, time; pathlib.Path({str(place)!r}).write_text(str(os.getpid())); print('x', flush=True); time.sleep(600)"
    )

    def on_line(line: str) -> None:
        raise OSError("log is full")

    with pytest.raises(OSError, match="log is full"):
        process.run(on_line)
    assert _is_gone(int(place.read_text()))


def test_stop_before_the_start_and_after_the_end_does_nothing():
    process = python("print('x')")
    process.stop()
    assert process.run(lambda line: None) == 0
    process.stop()


def test_stop_from_another_thread_is_seen_by_a_silent_stage():
    process = python("import time; time.sleep(600)")
    timer = threading.Timer(0.5, process.stop)
    timer.start()
    assert process.run(lambda line: None) == -signal.SIGTERM
    timer.join()


_GRANDCHILD = (
    "import os, pathlib, subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "pathlib.Path({place!r}).write_text(str(child.pid))"
)


def _is_gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has); waits a moment, since its parent is not us."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
