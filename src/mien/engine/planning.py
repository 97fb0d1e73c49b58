"""Which models run, and in which order: from the fields that are wanted, over what the cards give and need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from mien.core.errors import CardError, LicenseRefused, UsageError
from mien.core.faces import Faces
from mien.core.fields import all_events, all_fields, all_jobs, check_want
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from mien.models.license import Policy, refusal

__all__ = ["ClipPlan", "Planner"]


@dataclass(frozen=True)
class ClipPlan:
    """What is computed of a clip's frames.

    Attributes
    ----------
    fields : frozenset of str
        Fields of each frame.
    followers : tuple of Card
        What watches the frames, in the order in which it does.
    """

    fields: frozenset[str]
    followers: tuple[Card, ...]


def is_temporal(name: str) -> bool:
    """Whether a field or event is known only from a video's frames together."""
    return name in all_events() or (name in all_fields() and all_fields()[name].temporal)


class Planner:
    """Chooses models by what they give, under a license policy, and orders them.

    Parameters
    ----------
    catalogue : Catalogue
        Cards to choose from.
    licenses : {"any", "commercial", "strict"}
        Which of them may be used.
    models : mapping of str to str
        Model ids that the caller chose, by field or job; for "detect" several, as in "yunet+centerface".

    Raises
    ------
    UnknownModel, UnknownField, UsageError
        If a chosen model or field is unknown, or the one does not give the other; if there is no such policy.
    """

    def __init__(self, catalogue: Catalogue, licenses: Policy, models: Mapping[str, str]) -> None:
        if licenses not in get_args(Policy):
            raise UsageError(f"licenses is one of {', '.join(get_args(Policy))}, not {licenses!r}.")
        if not isinstance(models, Mapping):
            raise UsageError(f'models is a mapping such as {{"embedding": "sface"}}, not {models!r}.')
        self._catalogue = catalogue
        self._licenses: Policy = licenses
        self._teams = {name: _team(catalogue, name, ids) for name, ids in models.items()}
        self._chosen = {name: team[0] for name, team in self._teams.items()}

    def choose(self, name: str) -> Card:
        """The model for a field or job; see `mien.Engine.choose`."""
        giving = [card for card in self._catalogue.giving(name) if _gives_as_step(card, name)]
        # What comes along with a model that the caller chose comes from that one: of embeddings their recognizability.
        giving.sort(key=lambda card: card not in self._chosen.values())
        cards = [self._chosen[name]] if name in self._chosen else giving
        if not cards:
            known = [*all_jobs(), *(field for field, row in all_fields().items() if not row.always), *all_events()]
            raise UsageError(f"no model gives {name!r}; there are {', '.join(known)}.")
        refusals = [refusal(card, self._licenses) for card in cards]
        if None not in refusals:
            raise LicenseRefused(f"no model for {name} is allowed: {'; '.join(map(str, refusals))}.")
        return cards[refusals.index(None)]

    def team(self, name: str) -> tuple[Card, ...]:
        """The models that do a job together: the one for it, unless the caller chose several."""
        team = self._teams.get(name) or (self.choose(name),)
        refusals = [reason for card in team if (reason := refusal(card, self._licenses))]
        if refusals:
            raise LicenseRefused(f"not all models for {name} are allowed: {'; '.join(refusals)}.")
        return team

    def plan(self, want: Iterable[str], available: Iterable[str]) -> tuple[Card, ...]:
        """The steps from `available` to `want`; see `mien.Engine.plan`."""
        done, order, open_ = set(available), list[Card](), set[str]()

        def resolve(name: str) -> None:
            if name in done:
                return
            if name in open_:
                raise CardError(f"models need each other in a circle: {' -> '.join(sorted(open_))}.")
            open_.add(name)
            card = self.choose(name)
            for need in card.needs:
                resolve(need)
            open_.discard(name)
            if card not in order:
                order.append(card)
            done.update(self.taken_from(card))

        for name in sorted(check_want(want)):
            resolve(name)
        return tuple(order)

    def plan_clip(self, want: Iterable[str]) -> ClipPlan:
        """What to compute of a clip's frames, and what watches them, so that `want` is known at its end.

        The field "track" is not in the plan: whatever follows faces needs it.
        """
        fields, followers, done = set[str](), list[Card](), {"track"}

        def resolve(name: str) -> None:
            if name in done:
                return
            done.add(name)
            if not is_temporal(name):
                fields.add(name)
                return
            card = self.choose(name)
            for need in card.needs:
                resolve(need)
            if card not in followers:
                followers.append(card)

        for name in sorted(check_want(want, temporal=True)):
            resolve(name)
        return ClipPlan(frozenset(fields), tuple(followers))

    def taken_from(self, card: Card) -> frozenset[str]:
        """What the card gives, but for what the caller wants from another model."""
        return frozenset(name for name in card.gives if self._chosen.get(name, card) == card)

    def usable(self, faces: Faces) -> frozenset[str]:
        """The fields that need not be computed: those that are there, unless another model was chosen for one."""
        return frozenset(
            name
            for name in faces.columns
            if name not in self._chosen or faces.models.get(name, self._chosen[name].id) == self._chosen[name].id
        )


def _checked(card: Card, name: str) -> Card:
    """The card, if it can be asked for the field or job of that name."""
    if name not in all_jobs():
        check_want([name], temporal=True)
    if name not in card.gives:
        raise UsageError(f"model {card.id!r} does not give {name!r} but {', '.join(card.gives)}.")
    if not _gives_as_step(card, name):
        raise UsageError(f"model {card.id!r} gives {name!r} only along with {', '.join(_jobs(card))}.")
    return card


def _team(catalogue: Catalogue, name: str, ids: str) -> tuple[Card, ...]:
    """The cards of one id, or of several that are joined by +."""
    if not isinstance(ids, str):
        raise UsageError(f'the model for {name} is an id, or several as in "yunet+centerface", not {ids!r}.')
    names = dict.fromkeys(part.strip() for part in ids.split("+"))
    team = tuple(_checked(catalogue[model_id], name) for model_id in names)
    if len(team) > 1 and name != "detect":
        raise UsageError(f"only detectors work together: {name} takes one model, not {ids!r}.")
    return team


def _jobs(card: Card) -> list[str]:
    return [name for name in card.gives if name in all_jobs()]


def _gives_as_step(card: Card, name: str) -> bool:
    """Whether the card's runner can be asked for this: what a detector gives beside faces comes with them only."""
    return name in all_jobs() or not _jobs(card)
