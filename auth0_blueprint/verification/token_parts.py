"""What is inside a verified access token: who acts for its subject, and what exactly was authorized. Immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn


class TokenPart(Mapping[str, Any]):
    """A JSON object in the claims of a verified access token, as an immutable mapping.

    Lists and objects inside are returned as copies, so that changes by a view stay with that view.
    """

    __slots__ = ("_members",)

    _members: Mapping[str, Any]

    def __init__(self, members: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_members", members)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"what is in an access token is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"what is in an access token is immutable: cannot delete {name!r}")

    def __copy__(self) -> TokenPart:
        return self

    def __deepcopy__(self, _memo: object) -> TokenPart:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("What is in an access token is verified for this process only. To pass it on, use dict(...).")

    def __getitem__(self, name: str) -> Any:
        return copied(self._members[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


class Actor(TokenPart):
    """A party that acts, or has acted, on behalf of a token's subject: an ``act`` claim without the ones inside it.

    RFC 8693 §4.1: ``sub``, perhaps ``iss``, and whatever else the issuer says about the party.
    """

    __slots__ = ()

    @property
    def subject(self) -> str:
        """``sub``: who acts: a client, an agent, or a user."""
        return str(self._members["sub"])

    @property
    def issuer(self) -> str | None:
        """``iss``: who knows the actor by this subject; ``None`` means the issuer of the token."""
        return self._members.get("iss")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):  # `actor != "mallory"` would be true of everybody
            raise TypeError("An actor is no string. To solve this, compare its .subject, or use requires_actor().")
        return super().__eq__(other)

    def __repr__(self) -> str:
        return f"<Actor subject={self.subject[:80]!r}>"


class AuthorizationDetail(TokenPart):
    """One of the ``authorization_details`` of a token (RFC 9396 §2): its ``type``, and what that type defines."""

    __slots__ = ()

    @property
    def type(self) -> str:
        """``type``: what kind of authorization this is, which says what else is in it."""
        return str(self._members["type"])

    def __repr__(self) -> str:
        return f"<AuthorizationDetail type={self.type[:80]!r}>"


def actors_in(act: Mapping[str, Any] | None) -> Iterator[Actor]:
    """Yield the actors in a verified ``act`` claim, outermost first: the current one, then earlier ones."""
    while act is not None:
        yield Actor({name: value for name, value in act.items() if name != "act"})
        act = act.get("act")


def copied(value: Any) -> Any:
    """Return *value*, which is from JSON, such that changes to it are seen nowhere else."""
    if isinstance(value, dict):
        return copied_members(value)
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def copied_members(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return *members* of a JSON object as a new dict, such that changes to it are seen nowhere else."""
    return {name: copied(value) for name, value in members.items()}
