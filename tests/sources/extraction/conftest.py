"""Pages whose labels lie (``from label_lies import …``)."""

import importlib.util
import sys
from pathlib import Path

specification = importlib.util.spec_from_file_location("label_lies", Path(__file__).with_name("label_lies.py"))
sys.modules["label_lies"] = module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)
