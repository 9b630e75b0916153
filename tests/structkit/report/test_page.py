"""The page as HTML: scripts by their hashes, texts escaped."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from urllib.parse import unquote

from structkit.report.page import (
    content_policy,
    encode_csv,
    encode_figure,
    encode_json,
    hash_script,
)

NAME = "</script><script>alert(1)</script>"


def test_json_in_a_script_element_cannot_end_it() -> None:
    text = encode_json({"name": NAME})
    assert "<" not in text
    assert json.loads(text) == {"name": NAME}


def test_policy_names_each_script_by_its_hash() -> None:
    script = "window.a = 1;"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert hash_script(script) == f"'sha256-{digest}'"
    policy = content_policy([script])
    assert "default-src 'none'" in policy
    assert re.findall(r"script-src ([^;]*)", policy) == [f"'sha256-{digest}'"]


def test_csv_address_holds_the_text_as_it_was() -> None:
    text = f"sample\n{NAME}\n"
    kind, _, packed = encode_csv(text).partition(",")
    assert kind == "data:text/csv;charset=utf-8"
    assert not set(packed) & set("<>\"'& \n#")
    assert unquote(packed) == text


def test_a_shared_abscissa_is_sent_once() -> None:
    x = {"dtype": "f4", "bdata": "AACAPw=="}
    figure = {"data": [{"x": x}, {"x": dict(x)}, {"x": [2]}], "layout": {}}
    assert [one["x"] for one in json.loads(encode_figure(figure))["data"]] == [
        x,
        0,
        [2],
    ]
