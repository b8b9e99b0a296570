"""The rules between settings: what is wrong with values of which each is valid by itself."""

from __future__ import annotations

from typing import Any

from auth0_blueprint.settings.decryption_keys import encryption_problems
from auth0_blueprint.settings.domain_function import DomainFunction, domain_function_problems
from auth0_blueprint.settings.event_senders import has_senders
from auth0_blueprint.settings.own_client import own_client_problems
from auth0_blueprint.settings.resource_identifier import resource_identifier
from auth0_blueprint.settings.signing_secrets import signing_secret_problems


def problems_between(data: dict[str, Any], trusted_hosts: Any) -> dict[str, str]:
    """Return what is wrong, by setting. *data* has only the settings that are valid by themselves."""
    return {
        **_issuer_problems(data),
        **domain_function_problems(data),
        **_time_problems(data),
        **_host_problems(data, trusted_hosts),
        **_certificate_problems(data),
        **_resource_problems(data),
        **_event_problems(data),
        **signing_secret_problems(data),
        **encryption_problems(data),
        **own_client_problems(data),
    }


def _issuer_problems(data: dict[str, Any]) -> dict[str, str]:
    if "AUTH0_DOMAIN" not in data or "AUTH0_ISSUER" not in data:
        return {}
    domains, issuer = data["AUTH0_DOMAIN"], data["AUTH0_ISSUER"]
    if isinstance(domains, DomainFunction):
        return {}
    if not domains and issuer is None:
        return {"AUTH0_DOMAIN": "is missing: set it to the domain of your tenant, such as example.eu.auth0.com"}
    if len(domains) > 1:
        # One issuer or key set for several domains would mean trying the keys of one domain for another.
        single = [key for key in ("AUTH0_ISSUER", "AUTH0_JWKS_URL") if data.get(key) is not None]
        if single:
            return dict.fromkeys(single, "must not be set with several domains in AUTH0_DOMAIN: each has its own")
    if domains and issuer is not None and (issuer,) != issuers_of(data):
        return {"AUTH0_ISSUER": f"differs from {issuers_of(data)[0]}, the issuer of AUTH0_DOMAIN: set only one of them"}
    if any(f"{known}userinfo" in data.get("AUTH0_AUDIENCE", ()) for known in issuers_of(data)):
        return {
            "AUTH0_AUDIENCE": "must not be the userinfo endpoint, which is in tokens for every API of the tenant: "
            "use the identifier of your own API"
        }
    return {}


def _time_problems(data: dict[str, Any]) -> dict[str, str]:
    ttl, ahead, stale = (data.get(f"AUTH0_JWKS_{name}") for name in ("TTL", "REFRESH_AHEAD", "MAX_STALE"))
    problems: dict[str, str] = {}
    if ttl is not None and ahead is not None and ahead >= ttl:
        problems["AUTH0_JWKS_REFRESH_AHEAD"] = f"must be less than AUTH0_JWKS_TTL, which is {ttl:g}"
    interval, out_of_touch = data.get("AUTH0_SYNC_INTERVAL"), data.get("AUTH0_REVOCATION_MAX_STALE")
    if interval is not None and out_of_touch is not None and out_of_touch < interval:
        # Between two syncs a process would count as outdated although nothing is wrong.
        problems["AUTH0_REVOCATION_MAX_STALE"] = f"must be at least AUTH0_SYNC_INTERVAL, which is {interval:g}"
    if ttl is not None and stale is not None and stale < ttl:
        problems["AUTH0_JWKS_MAX_STALE"] = f"must be at least AUTH0_JWKS_TTL, which is {ttl:g}"
    return problems


def _host_problems(data: dict[str, Any], trusted_hosts: Any) -> dict[str, str]:
    """Check that DPoP knows its hosts: a proof names a URL, and whoever replays one can forge the Host header."""
    if data.get("AUTH0_DPOP", "disabled") == "disabled" or trusted_hosts:
        return {}
    if "AUTH0_PUBLIC_URL" not in data or data["AUTH0_PUBLIC_URL"] is not None:
        return {}
    return {
        "AUTH0_DPOP": "needs AUTH0_PUBLIC_URL, or Flask's TRUSTED_HOSTS: without one any Host header would be trusted"
    }


def _certificate_problems(data: dict[str, Any]) -> dict[str, str]:
    if data.get("AUTH0_MTLS") != "required":
        return {}
    if "AUTH0_MTLS_CERT" in data and data["AUTH0_MTLS_CERT"] is None:
        return {"AUTH0_MTLS": "needs AUTH0_MTLS_CERT, which says where the client certificate is"}
    if data.get("AUTH0_DPOP", "disabled") != "disabled":
        # With both required every token would be refused; with DPoP allowed, every one that is bound to a key.
        return {
            "AUTH0_MTLS": "must be allowed unless AUTH0_DPOP is disabled: a token is bound to a certificate or to a "
            "DPoP key, never to both"
        }
    return {}


def _resource_problems(data: dict[str, Any]) -> dict[str, str]:
    if not data.get("AUTH0_RESOURCE_METADATA") or not {"AUTH0_PUBLIC_URL", "AUTH0_AUDIENCE"} <= data.keys():
        return {}
    if resource_identifier(data["AUTH0_PUBLIC_URL"], data["AUTH0_AUDIENCE"]) is None:
        return {
            "AUTH0_RESOURCE_METADATA": "needs the URL by which clients know this API: set AUTH0_PUBLIC_URL, or use "
            "an https URL as AUTH0_AUDIENCE"
        }
    return {}


def _event_problems(data: dict[str, Any]) -> dict[str, str]:
    if data.get("AUTH0_REVOCATION", True):
        return {}
    return dict.fromkeys(has_senders(data), "needs AUTH0_REVOCATION, which is false: events could have no effect")


def issuers_of(data: dict[str, Any]) -> tuple[str, ...]:
    """Return the accepted values of ``iss``; Auth0's end with a slash. None where a function decides."""
    if isinstance(data["AUTH0_DOMAIN"], DomainFunction):
        return ()
    return tuple(f"https://{domain}/" for domain in data["AUTH0_DOMAIN"]) or (data["AUTH0_ISSUER"],)
