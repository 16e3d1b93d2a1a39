"""Where tasks of a test leave what they saw, and wait for what the test says: tasks may run on another machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

CLIENT: Final = """
import urllib.request, urllib.error
def post(name, text=""):
    urllib.request.urlopen(urllib.request.Request({url!r} + name, data=text.encode(), method="POST")).read()
def posted(name):
    return urllib.request.urlopen({url!r} + name).read().decode()
"""


class Board:
    """Texts by name, over HTTP on this machine; what is posted twice is appended."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self._lock = threading.Lock()
        board = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                board.post(self.path[1:], text)
                self._answer("")

            def do_GET(self) -> None:
                self._answer(board.notes.get(self.path[1:], ""))

            def _answer(self, text: str) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def client(self) -> str:
        """Python that a task begins with, to have `post` and `posted`."""
        return CLIENT.format(url=f"http://127.0.0.1:{self.server.server_address[1]}/")

    def post(self, name: str, text: str = "-") -> None:
        with self._lock:
            self.notes[name] = self.notes.get(name, "") + (text or "-")


@contextmanager
def opened_board() -> Iterator[Board]:
    board = Board()
    thread = threading.Thread(target=board.server.serve_forever)
    thread.start()
    yield board
    board.server.shutdown()
    thread.join()
    board.server.server_close()
