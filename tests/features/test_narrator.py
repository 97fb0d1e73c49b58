"""The adapter for a language model, against a server of this machine that answers well, badly, and not at all."""

from __future__ import annotations

import base64
import gzip
import http.server
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image
import pytest

from mien.core.clip import Clip, Event, Events, Track
from mien.core.columns import Angles, Distribution, Flag, Points, Scores, Vectors
from mien.core.errors import ImageNotKept, ModelError, UsageError
from mien.core.faces import Faces
from mien.features.shown import narrator as module
from mien.features.shown.narrator import Narrator, fields_of

GOOD = json.dumps({"choices": [{"message": {"role": "assistant", "content": " Somebody\x1b[2J smiles.\n"}}]}).encode()


class Service:
    """What was asked of it, and what it answers."""

    def __init__(self) -> None:
        self.status, self.body = 200, GOOD
        self.headers: dict[str, str] = {}
        self.stream: Callable[[Any], None] | None = None
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.url = ""

    @property
    def sent(self) -> str:
        return json.dumps(self.asked[-1][2])


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            service.asked.append((self.path, dict(self.headers.items()), json.loads(data)))
            self.send_response(service.status)
            for name, value in service.headers.items():
                self.send_header(name, value)
            if service.stream is None:
                self.send_header("Content-Length", str(len(service.body)))
            self.end_headers()
            try:
                if service.stream:
                    service.stream(self.wfile)
                else:
                    self.wfile.write(service.body)
            except OSError:
                pass  # nobody listens any more: that is what the test is about

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield service
    server.shutdown()
    thread.join()
    server.server_close()


def ask(service: Service, **options: Any) -> Narrator:
    return Narrator(endpoint=service.url, model="some/model", **options)


@pytest.fixture
def faces() -> Faces:
    columns = {
        "age": Distribution(np.array([[0.1, 0.8, 0.1]] * 2), support=(20, 35, 50)),
        "glasses": Flag(np.array([0.9, np.nan], np.float32), reasons=(None, "too small")),
        "pose": Angles(np.array([[1.0, 2, 3]] * 2)),
        "landmarks": Points(np.zeros((2, 478, 3))),
        "embedding": Vectors(np.ones((2, 4)) / 2, space="none/1"),
        "blendshapes": Scores(np.zeros((2, 1)), names=("jawOpen",)),
    }
    image = np.random.default_rng(1).integers(0, 255, (60, 120, 3), np.uint8)
    boxes = [[10, 10, 40, 50], [70, 10, 100, 50]]
    return Faces.from_boxes(boxes, image_size=(120, 60)).with_columns(columns).with_image(image)


def test_fields_go_out_and_words_come_back(service: Service, faces: Faces) -> None:
    found = ask(service, key="secret-key").narrate(faces)
    assert (found.text, str(found)) == ("Somebody[2J smiles.",) * 2  # without the sign that clears a terminal
    assert (found.model, found.sent) == ("some/model", "fields")
    assert found.endpoint == f"{service.url}/chat/completions"
    assert found.to_dict()["sent"] == "fields"
    (path, headers, asked), *more = service.asked
    assert not more
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret-key"
    assert asked["model"] == "some/model"
    (message,) = asked["messages"]
    assert isinstance(message["content"], str), "no pixels unless they are asked for"
    prompt, _, fields = message["content"].partition("\n\n")
    assert "Do not name anyone" in prompt
    assert json.loads(fields) == fields_of(faces)
    assert "image" not in service.sent
    assert "base64" not in service.sent


def test_what_fields_are_sent(faces: Faces) -> None:
    told = fields_of(faces)
    assert set(told) == {"picture", "faces"}
    first, second = told["faces"]
    assert set(first) == {"box", "age", "glasses", "pose"}
    assert set(second) == {"box", "age", "pose"}  # what abstained is not sent
    assert set(first["age"]) == {"mean", "interval"}
    assert fields_of(faces[1])["faces"] == [second]
    clip = Clip("/home/ada/private.mp4", 2, (Track(1, 0, 2, 9),), Events((Event("blink", 1, 0, 1),)))
    assert set(fields_of(clip)) == {"duration", "tracks", "events"}


def test_no_key_no_header_and_a_full_address(service: Service, faces: Faces) -> None:
    Narrator(endpoint=f"{service.url}/chat/completions/", model="m").narrate(faces[:0], prompt="Say nothing.")
    path, headers, asked = service.asked[0]
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert asked["messages"][0]["content"].startswith("Say nothing.\n\n")


def test_pixels_are_sent_where_they_are_asked_for(
    service: Service, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_SIDE", 60)
    assert ask(service).narrate(faces, pixels=True).sent == "pixels"
    text, picture = service.asked[0][2]["messages"][0]["content"]
    assert text["type"] == "text"
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    with PIL.Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert (shown.format, shown.size) == ("JPEG", (60, 30))
        assert not shown.getexif()
        assert not {"exif", "xmp", "comment", "icc_profile"} & set(shown.info)
    ask(service).narrate(faces[0], pixels=True)
    _, picture = service.asked[1][2]["messages"][0]["content"]
    with PIL.Image.open(io.BytesIO(base64.b64decode(picture["image_url"]["url"].partition(",")[2]))) as shown:
        assert shown.size == (56, 56)  # the box and its margins
    with pytest.raises(ImageNotKept):
        ask(service).narrate(faces.with_image(None), pixels=True)
    given = ask(service).narrate(faces.with_image(None)[0], pixels=True, image=faces.require_image())
    assert given.sent == "pixels"
    with pytest.raises(UsageError, match="a clip keeps no picture"):
        ask(service).narrate(Clip("a", 1), pixels=True)
    assert ask(service).narrate(Clip("a", 1), pixels=True, image=faces.require_image()).sent == "pixels"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, b"secret-key leaked", "refuses .status 500"),
        (401, GOOD, "refuses .status 401"),
        (302, GOOD, "refuses .status 302"),
        (200, b"<html>hello</html>", "none of a chat completion"),
        (200, b"", "none of a chat completion"),
        (200, b"[]", "none of a chat completion"),
        (200, b'{"choices": []}', "none of a chat completion"),
        (200, b'{"choices": [{"message": "x"}]}', "none of a chat completion"),
        (200, b"[" * 100_000, "none of a chat completion"),
        (200, b"\xff\xfe\x00", "none of a chat completion"),
        (200, b'{"choices": [{"message": {"content": null}}]}', "holds no text"),
        (200, b'{"choices": [{"message": {"content": "  "}}]}', "holds no text"),
    ],
)
def test_bad_answers(service: Service, faces: Faces, status: int, body: bytes, told: str) -> None:
    service.status, service.body = status, body
    service.headers = {"Location": "http://127.0.0.1:1/elsewhere"}
    with pytest.raises(ModelError, match=told) as error:
        ask(service, key="secret-key").narrate(faces)
    assert "secret-key" not in str(error.value)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)
    assert len(service.asked) == 1, "it is asked once"


def test_an_endless_answer(service: Service, faces: Faces) -> None:
    def endless(file: Any) -> None:
        for _ in range(4096):
            file.write(b"x" * 65536)

    service.stream = endless
    with pytest.raises(ModelError, match="longer than 1 MB"):
        ask(service).narrate(faces)


def test_an_answer_is_not_unpacked(service: Service, faces: Faces) -> None:
    """A bomb of a megabyte stays one."""
    service.body, service.headers = gzip.compress(GOOD), {"Content-Encoding": "gzip"}
    with pytest.raises(ModelError, match="none of a chat completion"):
        ask(service).narrate(faces)
    assert service.asked[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("drip", [True, False])
def test_an_answer_that_never_comes(service: Service, faces: Faces, drip: bool) -> None:
    def slow(file: Any) -> None:
        for _ in range(15):
            if drip:
                file.write(b" ")
                file.flush()
            time.sleep(0.05)

    service.stream = slow
    with pytest.raises(ModelError, match=r"no answer within 0\.2 seconds"):
        ask(service, timeout=0.2).narrate(faces)


def test_nobody_listens(faces: Faces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # not looked at
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:1/") as error:
        Narrator(endpoint="http://127.0.0.1:1", model="m").narrate(faces)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "host/v1",
        "ftp://host/v1",
        "https://",
        "https://user:password@host/v1",
        "https://host/v1?key=1",
        "https://h:x/",
        "https://user:password@host:x/",
        "https://user:password@[host/",
        "http://localhost\\@user:password.org/",
        "https://host/v1\r\nX: password",
        "https://password host/",
    ],
)
def test_addresses_that_are_none(endpoint: str) -> None:
    with pytest.raises(UsageError) as error:
        Narrator(endpoint=endpoint, model="m")
    assert "password" not in str(error.value)


def test_nothing_is_sent_in_the_clear_but_here() -> None:
    for endpoint in ("http://host/v1", "http://10.0.0.1/v1", "http://localhost.evil.org/v1"):
        with pytest.raises(UsageError, match="must be https"):
            Narrator(endpoint=endpoint, model="m")
    for endpoint in ("http://localhost:80/v1", "http://127.0.0.2", "http://[::1]:5/v1", "https://host"):
        assert Narrator(endpoint=endpoint, model="m").endpoint.endswith("/chat/completions")


@pytest.mark.parametrize(
    "options",
    [
        {"model": ""},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"key": "two\nlines"},
        {"key": ""},
        {"key": " a"},
        {"key": "ключ"},
    ],
)
def test_settings_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Narrator(**{"endpoint": "https://host", "model": "m", **options})


def test_the_key_is_not_printed() -> None:
    assert "secret" not in repr(Narrator(endpoint="https://host", model="m", key="secret"))
