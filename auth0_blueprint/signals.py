"""The blinker signals of the package. Sender is the Flask app; none carries a token, a proof or a secret."""

from __future__ import annotations

from blinker import NamedSignal, Namespace

_signals = Namespace()

#: ``access_token``: the :class:`~auth0_blueprint.AccessToken` that a request, or ``verify_token``, has verified.
token_verified: NamedSignal = _signals.signal("token-verified")
#: ``code``: the stable error code (docs/errors.md); ``reason``: the exact reason.
token_rejected: NamedSignal = _signals.signal("token-rejected")
#: ``revocation``: the :class:`~auth0_blueprint.revocation.index.Revocation` that this process has made or learned of.
revocation_changed: NamedSignal = _signals.signal("revocation-changed")
#: ``action``, such as ``revoke``; ``subject`` and ``client_id`` of the admin; ``actor``: the subject of the actor who
#: acts on behalf of the admin, else ``None``; ``target``; ``reason``, if given.
admin_acted: NamedSignal = _signals.signal("admin-acted")
#: ``source``: which route it came by, such as ``logout``; ``sent_by``, ``type`` and ``event_id`` of the event;
#: ``outcome``: ``effective``, ``without_effect`` or ``repeated``; ``effects``: the kind and value of each revocation
#: that it made or lifted, as a tuple of pairs.
event_handled: NamedSignal = _signals.signal("event-handled")
#: ``source``: which route it came by; ``code``: the stable error code (docs/errors.md); ``reason``: the exact reason.
event_refused: NamedSignal = _signals.signal("event-refused")
#: ``issuer``; ``added`` and ``removed``: the key ids that appeared and disappeared, as tuples of strings.
key_set_refreshed: NamedSignal = _signals.signal("key-set-refreshed")
#: ``issuer``; ``reason``: a fixed sentence that says why the key set could not be fetched.
key_set_refresh_failed: NamedSignal = _signals.signal("key-set-refresh-failed")
