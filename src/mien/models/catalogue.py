"""The models that mien knows: built-in cards, cards of installed plug-ins, and the user's own.

Nothing is read before `Catalogue.load` is called.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

from mien.core.errors import CardError, SourceError, StorageError, UnknownModel, UnsafeFile, UsageError
from mien.models.card import MODEL_ID, SPDX_ID, Card, ImageInput, WeightFile
from mien.models.external_data import external_locations

__all__ = ["Card", "Catalogue", "ImageInput", "WeightFile", "add_card", "load_templates", "user_cards_folder"]

ENTRY_POINT_GROUP = "mien.catalogues"


class Catalogue:
    """Model cards by id.

    Parameters
    ----------
    cards
        Of two cards with the same id the later one counts: plug-ins may replace a built-in card, and the user's own
        cards replace both.

    Raises
    ------
    CardError
        Two cards whose files have one name but different content: cache and mirror know a file by its name.
    """

    def __init__(self, cards: Iterable[Card]) -> None:
        self._cards = {card.id: card for card in cards}
        owners: dict[str, tuple[str, str]] = {}
        for card in self._cards.values():
            for file in card.files.values():
                sha256, owner = owners.setdefault(file.name, (file.sha256, card.id))
                if sha256 != file.sha256:
                    raise CardError(
                        f"models '{owner}' and '{card.id}' both call a file '{file.name}', but not the same one."
                    )

    @classmethod
    def load(cls) -> Catalogue:
        """Read the built-in cards, those of plug-ins, and the user's own.

        A plug-in is an installed package with an entry point in the group ``mien.catalogues`` whose value is the name
        of a package that holds ``*.toml`` cards.

        Raises
        ------
        CardError
            A card that is malformed, or an entry point that names no package.
        """
        folders: list[Traversable] = [_ours("cards")]
        for entry in metadata.entry_points(group=ENTRY_POINT_GROUP):
            try:
                folders.append(resources.files(entry.value))
            except ImportError as error:
                raise CardError(f"entry point '{entry.name}' of {ENTRY_POINT_GROUP}: {error}.") from error
        folders.append(user_cards_folder())
        return cls(card for folder in folders for card in _read_folder(folder))

    def __getitem__(self, model_id: str) -> Card:
        """Return the card with this id, or raise `UnknownModel` with the ids that look like it."""
        try:
            return self._cards[model_id]
        except KeyError:
            close = difflib.get_close_matches(model_id, self._cards, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(close)}?" if close else "`mien models list` shows what there is."
            message = f"no model is called '{model_id}'; {hint}"
            raise UnknownModel(message) from None

    def __contains__(self, model_id: object) -> bool:
        return model_id in self._cards

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards.values())

    def __len__(self) -> int:
        return len(self._cards)

    def giving(self, name: str) -> list[Card]:
        """Return the cards that give a field or job, the preferred one first."""
        found = [card for card in self if name in card.gives]
        return sorted(found, key=lambda card: (card.priority, card.id))


def load_templates() -> dict[str, Card]:
    """Cards, by id, of published networks that mien knows how to use and has no file of: for `add_card`."""
    return {card.id: card for card in _read_folder(_ours("templates"))}


def _ours(folder: str) -> Traversable:
    return resources.files("mien.models") / folder


def user_cards_folder() -> Path:
    """Return the folder of the user's own cards: ``cards`` in ``MIEN_CONFIG``, else in the user's config folder."""
    return Path(os.environ.get("MIEN_CONFIG") or platformdirs.user_config_dir("mien")) / "cards"


def _read_folder(folder: Traversable) -> Iterator[Card]:
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            try:
                text = entry.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise CardError(f"{entry}: cannot be read: {error}.") from error
            yield Card.from_toml(text, str(entry))


def add_card(
    path: Path | str,
    *,
    like: str,
    id: str,  # noqa: A002 - the word that cards, commands and messages use
    file: str = "model",
    weights_license: str = "LicenseRef-unknown",
) -> Card:
    """Make a card for a model file of the user's own that works like a known model, and keep it for later runs.

    Parameters
    ----------
    path
        The model file, for example an ONNX export with the same inputs and outputs as `like` has.
    like
        Id of the card, or template (`load_templates`), whose runner, input, parameters, needs and gives are taken over.
    id
        The new model's id. It becomes no default: ask for it by name, as in ``models={"embedding": id}``.
    file
        Which of that card's files `path` stands for.
    weights_license
        SPDX id of the file's license, if you know it.

    Returns
    -------
    Card
        The card as written to the user's folder of cards.

    Raises
    ------
    UnknownModel
        `like` is neither in the catalogue nor a template.
    UsageError
        `like` has no such file, `id` is taken or no id, or `weights_license` is no SPDX id.
    SourceError
        `path` cannot be read, or is empty.
    UnsafeFile
        An ONNX graph that keeps its weights in another file.
    StorageError
        The card cannot be written.
    """
    if not MODEL_ID.fullmatch(id):
        raise UsageError(f"{id!r} is no id of a model: lower case letters and digits, parted by one of '.', '_', '-'.")
    if not SPDX_ID.fullmatch(weights_license):
        raise UsageError(f"{weights_license!r} is no SPDX id of a license, such as MIT or LicenseRef-unknown.")
    catalogue = Catalogue.load()
    models = Catalogue([*catalogue, *load_templates().values()])
    known = models[like]
    if id in models:
        raise UsageError(f"there is a model called '{id}' already.")
    if file not in known.files:
        raise UsageError(f"model '{like}' has no file '{file}'; it has {', '.join(known.files) or 'none'}.")
    try:
        path = Path(os.path.realpath(Path(path).expanduser(), strict=True))  # pathlib raises RuntimeError at a loop
        if not path.is_file() and not path.is_dir():  # to open a pipe is to wait for its other end
            raise SourceError(f"{path}: not a regular file.")
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}.") from error
    if not data:
        raise SourceError(f"{path}: an empty file.")
    if path.suffix.lower() == ".onnx":
        _check_whole(path, data)
    digest = hashlib.sha256(data).hexdigest()
    own = replace(known.files[file], source=f"file:{path}", sha256=digest, bytes=len(data), name=f"{id}{path.suffix}")
    if path.suffix.lower() == ".onnx":  # holds its graph, also where `like` has plain weights
        own = replace(own, graph=None)
    card = replace(
        known,
        id=id,
        title=f"{path.name}, used like {like}",
        # After every published model, so that adding one never changes a result that did not ask for it.
        priority=1000,
        weights_license=weights_license,
        license_source="as given when the model was added",
        data_terms="unknown",
        data_source="unknown",
        origin="unknown",
        paper="",
        space=f"{id}/1" if known.space else None,
        precision="f32",
        files={**known.files, file: own},
    )
    text = card.to_toml()
    target = user_cards_folder() / f"{id}.toml"
    Card.from_toml(text, str(target))  # a file name that a card cannot hold is refused before it is written
    fresh = target.with_suffix(".new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StorageError(f"cannot write {target}: {error.strerror}.") from error
    return card


def _check_whole(path: Path, data: bytes) -> None:
    """Refuse an ONNX file that is none, or is not all of its model."""
    try:
        outside = next(external_locations(data), None)
    except UnsafeFile as error:
        raise UnsafeFile(f"{path}: {error}") from error
    if outside is not None:
        raise UnsafeFile(f"{path}: keeps data in another file, '{outside}'; save the model as one file.")
