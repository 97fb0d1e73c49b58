"""``mien liveness``: whether a person was before the camera; challenges are issued and judged here, too."""

from __future__ import annotations

import json as json_module
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import print_failure, print_json, takes_engine

if TYPE_CHECKING:
    from mien.engine import Engine

__all__ = ["app"]

app = typer.Typer(
    help="Is a person before the camera? By pictures, by clips, or by a clip that answers a challenge.",
    no_args_is_help=True,
)

KeyFile = Annotated[Path, typer.Option(help="The verifier's key.", show_default=False)]


@app.command()
@takes_engine
def judge(
    files: Annotated[list[Path], typer.Argument(help="Pictures and videos.", show_default=False)],
    token: Annotated[
        str | None, typer.Option(help="The challenge that the clip answers: the token, or a file that holds it.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="The key that it was signed with.", show_default=False)] = None,
    used: Annotated[
        Path | None,
        typer.Option(help="Where answered challenges are noted; by default beside the key.", show_default=False),
    ] = None,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="The clip shows people as a mirror does.")] = False,
    threshold: Annotated[float, typer.Option(help="Liveness that a picture must reach.", min=0, max=1)] = 0.5,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
    *,
    engine: Engine,
) -> None:
    """Judge whether a person was before the camera, and say how weak the evidence is."""
    from mien.core.errors import InputError, UsageError
    from mien.features.genuine.used import UsedFile
    from mien.features.genuine.verdict import liveness

    options: dict[str, object] = {"threshold": threshold, "mirrored": mirrored, "engine": engine}
    if token is not None:
        if key_file is None or len(files) != 1:
            raise UsageError("a challenge is answered by one clip, and read with --key-file.")
        key = _read_key(key_file)
        notes = UsedFile(used or key_file.with_name(f"{key_file.name}.used"))
        options |= {"challenge": _read_token(token), "key": key, "used": notes}
    failed = False
    for path in files:
        try:
            found = liveness(path, **options)  # type: ignore[arg-type] # each is of its own type
        except InputError as error:
            if token is not None and str(path) not in str(error) and path.exists():
                raise
            print_failure(path, error)
            failed = True
            continue
        if json or not sys.stdout.isatty():
            print_json({"source": str(path), **found.to_dict()})
        else:
            print(f"{path}: {found}")
    if failed:
        raise typer.Exit(1)


@app.command()
def challenge(
    key_file: KeyFile,
    out: Annotated[Path | None, typer.Option(help="Write the token here, too.", show_default=False)] = None,
    seconds: Annotated[float, typer.Option(help="For how long it may be answered.", min=1)] = 120.0,
    actions: Annotated[int, typer.Option(help="How many things are asked for.", min=1, max=7)] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")] = False,
) -> None:
    """Issue a challenge; a key that is not there is made, readable by you alone."""
    from mien.features.genuine.challenge import Challenge
    from mien.media.sinks import write_text

    made = Challenge.issue(key=_read_key(key_file, make=True), seconds=seconds, actions=actions)
    if out is not None:
        write_text(out, f"{made.token}\n")
    if json or not sys.stdout.isatty():
        prompts = [vars(prompt) for prompt in made.prompts]
        print_json({"token": made.token, "nonce": made.nonce, "expires": made.expires, "prompts": prompts})
    else:
        print(f"{made}\n{made.token}")


def _read_token(token: str) -> str:
    """The token itself, or what the file of that name holds."""
    from mien.core.errors import SourceError

    path = Path(token)
    if ("." in token and len(token) > 200) or not path.is_file():
        return token
    try:
        return json_module.loads(text)["token"] if (text := path.read_text("ascii").strip()).startswith("{") else text
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path}: holds no token: {error}.") from error


def _read_key(path: Path, *, make: bool = False) -> bytes:
    """The key of a file of hexadecimal digits."""
    from mien.core.errors import SourceError, StorageError, UsageError
    from mien.features.genuine.challenge import new_key

    if make and not path.exists():
        key = new_key()
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(f"{key.hex()}\n")
        except OSError as error:
            raise StorageError(f"{path}: no key can be written there: {error}.") from error
        return key
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise UsageError(f"{path}: others may read this key: chmod 600 it, or make another.")
        return bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):  # it is a ValueError, too
            raise
        raise SourceError(f"{path}: holds no key: {error}.") from error
