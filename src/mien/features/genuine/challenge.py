"""A challenge: what a person is asked to do before the camera, in which order and when.

The verifier issues it, signed, and judges the clip that comes back (`mien.features.genuine.verdict`). Only the holder
of the key can make one that is taken, so the party in between, a phone or a browser, need not be trusted with anything
but showing the prompts. The signature is HMAC-SHA256 (RFC 2104), of the standard library.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from mien.core.errors import InputError, UsageError

__all__ = ["ACTIONS", "TURNS", "Challenge", "Prompt", "new_key"]

#: What can be asked for, and in which words. Left and right are the subject's.
ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "blink": "blink with both eyes",
        "turn_left": "turn your head to your left, and back",
        "turn_right": "turn your head to your right, and back",
        "look_up": "raise your head, and lower it again",
        "look_down": "lower your head, and raise it again",
        "smile": "smile, and stop",
        "open_mouth": "open your mouth, and close it",
    }
)

#: Those that move the head. Of what is drawn at random one is of these: depth shows only where a head turns.
TURNS: Final = frozenset({"turn_left", "turn_right", "look_up", "look_down"})

KEY_BYTES: Final = 16  # at the least
TOKEN_LENGTH: Final = 4096  # characters, at the most
_PURPOSE: Final = b"mien challenge 1\n"  # a signature of anything else by the same key is none of this
_VERSION: Final = 1
_NONCE_BYTES: Final = 16

# Seconds: until the first prompt, of a prompt, and between two, from and to. All are drawn anew each time, so that no
# clip that was taken before fits.
_FIRST: Final = (1.0, 2.0)
_LASTS: Final = (2.5, 3.5)
_PAUSE: Final = (0.3, 1.0)


def new_key() -> bytes:
    """Make a key: 32 random bytes."""
    return secrets.token_bytes(32)


@dataclass(frozen=True)
class Prompt:
    """One thing that is asked for.

    Attributes
    ----------
    action : str
        One of `ACTIONS`.
    start, end : float
        Between which it is to begin and to end, in seconds from the clip's first frame.
    """

    action: str
    start: float
    end: float

    def __str__(self) -> str:
        return f"{self.start:.1f} to {self.end:.1f} s: {ACTIONS[self.action]}"


@dataclass(frozen=True)
class Challenge:
    """What one person is asked to do, once; made by `issue` or `read`.

    Attributes
    ----------
    nonce : str
        Random; no two challenges have the same.
    issued, expires : int
        Seconds since 1970.
    prompts : tuple of Prompt
        In the order of time.
    token : str
        All of it with its signature, as text for URLs.
    """

    nonce: str
    issued: int
    expires: int
    prompts: tuple[Prompt, ...]
    token: str

    @classmethod
    def issue(
        cls, *, key: bytes, seconds: float = 120.0, actions: int | Sequence[str] = 3, now: float | None = None
    ) -> Self:
        """Make a challenge.

        Parameters
        ----------
        key : bytes
            The verifier's, 16 bytes or more; `new_key` makes one. Whoever has it can make challenges and knows none of
            the answers in advance.
        seconds : float
            For how long it may be answered.
        actions : int or sequence of str
            How many of `ACTIONS`, drawn at random and one of `TURNS` among them, or which; their order is drawn in
            both cases.
        now : float, optional
            Seconds since 1970; by default the clock's.

        Raises
        ------
        UsageError
            If an option is out of range, or the time is too short for the prompts.
        """
        _check_key(key)
        chance = secrets.SystemRandom()
        names = _drawn(actions, chance)
        prompts, at = [], chance.uniform(*_FIRST)
        for name in names:
            end = at + chance.uniform(*_LASTS)
            prompts.append(Prompt(name, round(at, 2), round(end, 2)))
            at = end + chance.uniform(*_PAUSE)
        if not math.isfinite(seconds) or seconds < prompts[-1].end:
            raise UsageError(f"the prompts take {prompts[-1].end:.0f} seconds: the challenge lasts no {seconds:g}.")
        issued = int(time.time() if now is None else now)
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        payload = {
            "v": _VERSION,
            "nonce": nonce,
            "issued": issued,
            "expires": issued + math.ceil(seconds),
            "prompts": [[prompt.action, prompt.start, prompt.end] for prompt in prompts],
        }
        text = json.dumps(payload, separators=(",", ":")).encode("ascii")
        token = f"{_encoded(text)}.{_encoded(_signature(text, key))}"
        return cls(nonce, issued, issued + math.ceil(seconds), tuple(prompts), token)

    @classmethod
    def read(cls, token: str, *, key: bytes) -> Self:
        """Read a token that `issue` made; whether it has expired, or was used, is for whoever judges to ask.

        Raises
        ------
        UsageError
            If the key is none.
        InputError
            If the token is none, or was not signed with this key: any change of it is refused.
        """
        _check_key(key)
        if not isinstance(token, str) or len(token) > TOKEN_LENGTH or not token.isascii():
            raise InputError("this is no challenge: a token is a line of letters, digits, - and _, with one dot.")
        text, dot, signature = token.strip().partition(".")
        payload, signed = _decoded(text), _decoded(signature)
        if not dot or payload is None or signed is None:
            raise InputError("this is no challenge: a token is a line of letters, digits, - and _, with one dot.")
        if not hmac.compare_digest(signed, _signature(payload, key)):
            raise InputError("this challenge was not signed with this key, or was changed.")
        return cls._of(payload, token.strip())

    @classmethod
    def _of(cls, payload: bytes, token: str) -> Self:
        """What a signed text says."""
        try:
            values: Any = json.loads(payload)
            if values["v"] != _VERSION:
                raise InputError(f"this challenge is of version {values['v']!r}; this mien reads version {_VERSION}.")
            prompts = tuple(Prompt(str(name), float(start), float(end)) for name, start, end in values["prompts"])
            if not prompts or any(prompt.action not in ACTIONS for prompt in prompts):
                raise InputError("this challenge asks for nothing, or for what this mien does not know.")
            return cls(str(values["nonce"]), int(values["issued"]), int(values["expires"]), prompts, token)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this challenge is signed and says nothing that can be read: {error!r}.") from error

    def expired(self, now: float | None = None) -> bool:
        """Whether it may no longer be answered (`now`: seconds since 1970, by default the clock's)."""
        return (time.time() if now is None else now) > self.expires

    @property
    def duration(self) -> float:
        """Seconds that the clip must last."""
        return self.prompts[-1].end if self.prompts else 0.0

    def __str__(self) -> str:
        return "\n".join(map(str, self.prompts))


def _check_key(key: object) -> None:
    if not isinstance(key, bytes) or len(key) < KEY_BYTES:
        raise UsageError(f"a key is {KEY_BYTES} bytes or more, as new_key makes them.")


def _drawn(actions: int | Sequence[str], chance: secrets.SystemRandom) -> list[str]:
    if isinstance(actions, int):
        if not 1 <= actions <= len(ACTIONS):
            raise UsageError(f"a challenge has 1 to {len(ACTIONS)} actions, not {actions}.")
        names: list[str] = []
        while not TURNS.intersection(names):
            names = chance.sample(list(ACTIONS), actions)
        return names
    names = [] if isinstance(actions, str) else list(actions)
    if not names or any(name not in ACTIONS for name in names):
        raise UsageError(f"actions are a number, or a list out of {', '.join(ACTIONS)}; got {actions!r}.")
    return chance.sample(names, len(names))


def _signature(text: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + text, hashlib.sha256).digest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes | None:
    """The bytes of a text that `_encoded` made; None for any other, those that stand for the same bytes too."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _encoded(data) == text else None
