"""Runs in another processor's Python, with Polars only: plugins over frames, one after the other.

A request is a line of JSON (library, plugin, about it, columns, constants, bytes), and a frame as IPC; so is
the answer (the error's text, or bytes and a frame).
"""

import io
import json
import sys

import polars as pl
from polars.plugins import register_plugin_function

requests, answers = sys.stdin.buffer, sys.stdout.buffer


def answer(request, frame):
    expr = register_plugin_function(
        plugin_path=request["library"],
        function_name=request["plugin"],
        args=request["columns"],
        kwargs=request["constants"],
        **request["about"],
    )
    content = io.BytesIO()
    frame.select(expr.alias("it")).write_ipc(content)
    return content.getvalue()


for line in requests:
    request, content, error = json.loads(line), b"", None
    frame = pl.read_ipc(io.BytesIO(requests.read(request["bytes"])))
    try:
        content = answer(request, frame)
    except pl.exceptions.ComputeError as failed:
        error = str(failed)
    answers.write(json.dumps({"error": error, "bytes": len(content)}).encode() + b"\n" + content)
    answers.flush()
