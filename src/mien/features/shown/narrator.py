"""An adapter for a vision-language model: it is sent measured fields, not pixels, and its words are marked as its own.

Nothing here knows a service: endpoint and model are named by the caller each time, and no environment variable, proxy
setting or default takes their place.
"""

from __future__ import annotations

import base64
import io
import ipaddress
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import numpy as np

from mien.core.clip import Clip
from mien.core.columns import Angles, Column, Directions, Distribution, Flag, Labels, Scalar, Scores
from mien.core.errors import ModelError, UsageError
from mien.core.faces import Face, Faces
from mien.core.warping import resize

if TYPE_CHECKING:
    from mien.core.image import Image

__all__ = ["Narration", "Narrator", "fields_of"]

PROMPT: Final = (
    "Below are measurements of faces as JSON: left and right are the subject's, angles are in degrees, probabilities "
    "from 0 to 1; what is missing was not measured. Say in two or three plain sentences what they show. Add nothing "
    "that is not in them. Do not name anyone, and do not speak of ethnicity, health, character or sexuality."
)
SENT_KINDS: Final = (Scalar, Flag, Scores, Labels, Distribution, Angles, Directions)  # neither vectors nor points
KEPT_BACK: Final = frozenset(
    {"blendshapes", "portrait", "forgery", "live_cues"}
)  # numbers that say little by themselves
MOST_BYTES = 1 << 20  # of an answer
MOST_TEXT = 20_000  # characters of it that are kept
LONGEST_SIDE = 1024  # pixels of a picture that is sent


@dataclass(frozen=True, kw_only=True)
class Narration:
    """What a model said, in its own words: not measured, and not ours.

    Parameters
    ----------
    text : str
    model : str
        As the caller named it.
    endpoint : str
        Where it was asked.
    sent : {"fields", "pixels"}
        What it was shown: numbers only, or a picture too.
    """

    text: str
    model: str
    endpoint: str
    sent: Literal["fields", "pixels"]

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, str]:
        """As JSON types."""
        return {"text": self.text, "model": self.model, "endpoint": self.endpoint, "sent": self.sent}


def fields_of(what: Faces | Face | Clip) -> dict[str, Any]:
    """What is sent of faces or of a clip: numbers and names; no embedding, no points, no picture, no file name.

    Of an age the mean and the interval; of a clip its tracks and events.
    """
    if isinstance(what, Clip):
        return {key: value for key, value in what.to_dict().items() if key != "source"}
    if isinstance(what, Face):
        what = what.faces[[what.row]]
    width, height = what.image_size
    return {"picture": {"width": width, "height": height}, "faces": [_plain(face) for face in what]}


def _plain(face: Face) -> dict[str, Any]:
    columns = {
        name: column[face.row]
        for name, column in face.faces.columns.items()
        if isinstance(column, SENT_KINDS) and name not in KEPT_BACK
    }
    box = [round(edge) for edge in face.box.tolist()]
    return {"box": box, **{name: _value(column) for name, column in columns.items() if not bool(column.abstained)}}


def _value(column: Column) -> Any:
    encoded = column.to_json()
    return {key: value for key, value in encoded.items() if key not in {"support", "probabilities"}}


class Narrator:
    """Asks a language model to put fields into words, over the widespread ``chat/completions`` form of HTTP.

    Parameters
    ----------
    endpoint : str
        Address of the service, up to ``/chat/completions`` (which may be given or not). https, unless it is this very
        machine.
    model : str
        The model's name there.
    key : str, optional
        Sent as a bearer token; never printed.
    timeout : float
        Seconds that connecting, and each silence after it, may last; an answer that comes in drops is given up, too.

    Raises
    ------
    UsageError
        If the address is none, or would send what it is given in the clear.

    Examples
    --------
    >>> narrator = Narrator(endpoint="http://localhost:8000/v1", model="some-model")
    >>> narrator.narrate(faces).text  # doctest: +SKIP
    """

    def __init__(self, *, endpoint: str, model: str, key: str | None = None, timeout: float = 60.0) -> None:
        self.endpoint = _checked(endpoint)
        if not model or not isinstance(model, str):
            raise UsageError("a narrator needs the name of a model.")
        if not 0 < timeout <= 3600:
            raise UsageError(f"the timeout of a narrator is between 0 and 3600 seconds, not {timeout!r}.")
        if key is not None and not (key.isascii() and key.isprintable() and key and key == key.strip()):
            raise UsageError("the key of a narrator is a line of printable ASCII characters, without spaces around it.")
        self.model, self._key, self._timeout = model, key, timeout

    def __repr__(self) -> str:
        return f"Narrator(endpoint={self.endpoint!r}, model={self.model!r})"

    def narrate(
        self, what: Faces | Face | Clip, *, pixels: bool = False, prompt: str = PROMPT, image: Image | None = None
    ) -> Narration:
        """Send fields, and get words.

        Parameters
        ----------
        what : Faces, Face or Clip
        pixels : bool
            Send the picture too: of one face its crop, else the whole, as a JPEG of at most 1,024 pixels a side that
            carries no metadata. Who is in it is then known to whoever answers.
        prompt : str
            What is asked.
        image : (H, W, 3) uint8, optional
            The picture, where it is not kept with the faces; of a clip a frame.

        Raises
        ------
        UsageError
            If pixels of a clip are to be sent and no image is given.
        ImageNotKept
            If the picture is gone.
        ModelError
            If the service cannot be reached, refuses, takes too long, or answers with something else than text. It is
            asked once.
        """
        content: Any = f"{prompt}\n\n{json.dumps(fields_of(what), ensure_ascii=False)}"
        if pixels:
            url = f"data:image/jpeg;base64,{base64.b64encode(_jpeg(_picture(what, image))).decode()}"
            content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": {"url": url}}]
        asked = {"model": self.model, "messages": [{"role": "user", "content": content}], "temperature": 0}
        text = _text(self._post(asked), self.endpoint)
        return Narration(text=text, model=self.model, endpoint=self.endpoint, sent="pixels" if pixels else "fields")

    def _post(self, asked: Mapping[str, Any]) -> bytes:
        import httpx2

        # Not compressed: a megabyte that was sent is a megabyte here.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        until = time.monotonic() + self._timeout
        parts, size = list[bytes](), 0
        try:
            # No redirects: they would carry fields and key elsewhere. No proxy or password out of the environment.
            # To this very machine there is no TLS, and certificates take longer to read than it to answer.
            secure = self.endpoint.startswith("https:")
            with (
                httpx2.Client(timeout=self._timeout, verify=secure, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", self.endpoint, json=asked, headers=headers) as response,
            ):
                if response.status_code != 200:
                    raise ModelError(f"{self.endpoint}: the service refuses (status {response.status_code}).")
                for part in response.iter_raw():
                    size += len(part)
                    parts.append(part)
                    if size > MOST_BYTES:
                        raise ModelError(f"{self.endpoint}: the answer is longer than {MOST_BYTES >> 20} MB.")
                    if time.monotonic() > until:
                        raise ModelError(f"{self.endpoint}: no answer within {self._timeout:g} seconds.")
        except httpx2.TimeoutException:
            raise ModelError(f"{self.endpoint}: no answer within {self._timeout:g} seconds.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ModelError(f"{self.endpoint}: {type(error).__name__}: {str(error).rstrip('.')}.") from None
        return b"".join(parts)


def _checked(endpoint: str) -> str:
    """The address to post to. What is wrong with one is said without repeating it: a password may stand in it."""
    try:
        parts = urlsplit(endpoint if isinstance(endpoint, str) else "")
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    odd = any(sign.isspace() or not sign.isprintable() for sign in str(endpoint))
    if parts.scheme not in {"http", "https"} or not host or odd or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError("the endpoint of a narrator is such as https://host/v1, without user, query or fragment.")
    if parts.scheme == "http" and not _is_here(host):
        raise UsageError(f"the endpoint must be https: what is sent to http://{host} anybody on the way can read.")
    path = parts.path.rstrip("/")
    return (
        f"{parts.scheme}://{parts.netloc}{path if path.endswith('/chat/completions') else f'{path}/chat/completions'}"
    )


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(answer: bytes, endpoint: str) -> str:
    """The words in an answer."""
    try:
        text = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise ModelError(f"{endpoint}: the answer is none of a chat completion.") from None
    if not isinstance(text, str) or not text.strip():
        raise ModelError(f"{endpoint}: the answer holds no text.")
    # Control characters could rewrite a terminal.
    return "".join(sign for sign in text.strip()[:MOST_TEXT] if sign.isprintable() or sign == "\n")


def _picture(what: Faces | Face | Clip, image: Image | None) -> Image:
    if isinstance(what, Clip):
        if image is None:
            raise UsageError("a clip keeps no picture: pass image=, a frame of it.")
        return image
    if image is not None:
        what = what.faces.with_image(image)[what.row] if isinstance(what, Face) else what.with_image(image)
    return what.crop() if isinstance(what, Face) else what.require_image()


def _jpeg(image: Image) -> bytes:
    """A picture's pixels as JPEG, and nothing else."""
    import PIL.Image

    scale = min(LONGEST_SIDE / max(image.shape[:2]), 1.0)
    size = max(round(image.shape[0] * scale), 1), max(round(image.shape[1] * scale), 1)
    small = image if scale == 1 else resize(image, size)
    file = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(small)).save(file, "JPEG", quality=90)
    return file.getvalue()
