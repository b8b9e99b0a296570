"""The settings: where they come from, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auth0_blueprint import ConfigurationError
from auth0_blueprint.settings import Settings, load_settings
from auth0_blueprint.settings.schema import SettingsSchema

GOOD = {"AUTH0_DOMAIN": "example.eu.auth0.com", "AUTH0_AUDIENCE": "https://api.example.com"}


def load(**settings: Any) -> Settings:
    """Load *settings* on top of good ones, with an empty environment."""
    return load_settings({**GOOD, **settings}, {})


def problems(config: dict[str, Any]) -> dict[str, str]:
    """Return what is said of *config*."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config, {})
    return caught.value.problems


class TestReading:
    def test_two_settings_are_enough(self) -> None:
        """Everything else follows, as the contract says."""
        settings = load()
        assert settings.issuers == ("https://example.eu.auth0.com/",)
        assert settings.key_set_urls == {settings.issuers[0]: "https://example.eu.auth0.com/.well-known/jwks.json"}
        assert (settings.audience, settings.algorithms) == (("https://api.example.com",), ("RS256",))
        assert (settings.leeway_seconds, settings.max_token_lifetime_seconds) == (5, 2592000)
        assert (settings.max_token_bytes, settings.jwks_max_bytes) == (16384, 262144)
        assert (settings.jwks_ttl_seconds, settings.jwks_refresh_ahead_seconds) == (600, 120)
        assert (settings.jwks_max_stale_seconds, settings.jwks_cooldown_seconds) == (3600, 30)
        assert (settings.jwks_timeout_seconds, settings.jwks_honor_max_age) == (5, False)
        assert (settings.realm, settings.token_profile) == ("api", "any")
        assert (settings.required_claims, settings.health_details) == ((), "authorized")
        assert (settings.admin_scope, settings.admin_rbac, settings.dpop) == ("manage:auth0", True, "disabled")

    def test_config_wins_over_the_environment_which_wins_over_the_default(self) -> None:
        """``None`` and empty text mean unset."""
        environ = {"AUTH0_REALM": "from environment", "AUTH0_LEEWAY": "7", "AUTH0_AUDIENCE": "b"}
        settings = load_settings(
            {"AUTH0_DOMAIN": "a.example.com", "AUTH0_REALM": "config", "AUTH0_LEEWAY": None}, environ
        )
        assert (settings.realm, settings.leeway_seconds, settings.audience) == ("config", 7, ("b",))
        assert load_settings({**GOOD, "AUTH0_REALM": ""}, {"AUTH0_REALM": ""}).realm == "api"

    def test_who_issues_is_decided_in_one_place(self) -> None:
        """An issuer in the app's config is not mixed with a domain or key set of the environment."""
        environ = {"AUTH0_DOMAIN": "b.example.com", "AUTH0_JWKS_URL": "https://b.example.com/keys"}
        settings = load_settings({"AUTH0_ISSUER": "https://a.example.com/", "AUTH0_AUDIENCE": "a"}, environ)
        assert settings.key_set_urls == {"https://a.example.com/": "https://a.example.com/.well-known/jwks.json"}

    @pytest.mark.parametrize(
        ("key", "value", "expected"),
        [
            # Text with commas is a list, as an environment has to have it.
            ("AUTH0_AUDIENCE", "a, b", ("a", "b")),
            ("AUTH0_AUDIENCE", ["a,b", "c"], ("a,b", "c")),
            ("AUTH0_ALGORITHMS", "RS256,ES256", ("RS256", "ES256")),
            ("AUTH0_REQUIRED_CLAIMS", ("org_id",), ("org_id",)),
            ("AUTH0_ORGANIZATION", "org_a1, org_b-2", ("org_a1", "org_b-2")),
            ("AUTH0_ORGANIZATION", ["org_a1"], ("org_a1",)),
            # So may be numbers and switches.
            ("AUTH0_MAX_TOKEN_BYTES", "4096", 4096),
            ("AUTH0_ADMIN_RBAC", "false", False),
            ("AUTH0_ADMIN_SCOPE", "manage:api", "manage:api"),
            ("AUTH0_DPOP", "disabled", "disabled"),
            # Where clients see the API is taken without its last slash: paths are put behind it.
            ("AUTH0_PUBLIC_URL", "https://api.example.com", "https://api.example.com"),
            ("AUTH0_PUBLIC_URL", "https://api.example.com/", "https://api.example.com"),
            ("AUTH0_PUBLIC_URL", "https://api.example.com:8443/v1/x", "https://api.example.com:8443/v1/x"),
            ("AUTH0_PUBLIC_URL", "https://api.example.com/v1/", "https://api.example.com/v1"),
            ("AUTH0_PUBLIC_URL", "https://[2001:db8::1]/v1", "https://[2001:db8::1]/v1"),
            ("AUTH0_PUBLIC_URL", "http://localhost:5000", "http://localhost:5000"),
            ("AUTH0_PUBLIC_URL", "http://[::1]:5000", "http://[::1]:5000"),
        ],
    )
    def test_a_value_is_read_in_every_form_that_it_may_have(self, key: str, value: object, expected: object) -> None:
        assert getattr(load(**{key: value}), key.removeprefix("AUTH0_").lower()) == expected

    def test_a_time_may_be_given_as_text(self) -> None:
        assert load(AUTH0_JWKS_TTL="300").jwks_ttl_seconds == 300

    @pytest.mark.parametrize(
        ("issuer", "jwks_url"),
        [
            ("https://a.example.com/", "https://a.example.com/.well-known/jwks.json"),
            ("https://a.example.com/realm", "https://a.example.com/realm/.well-known/jwks.json"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/.well-known/jwks.json"),
            ("http://[::1]:8080/", "http://[::1]:8080/.well-known/jwks.json"),
            ("http://localhost", "http://localhost/.well-known/jwks.json"),
        ],
    )
    def test_an_issuer_is_taken_as_it_is(self, issuer: str, jwks_url: str) -> None:
        """One slash is added for the key set only if there is none."""
        settings = load_settings({"AUTH0_ISSUER": issuer, "AUTH0_AUDIENCE": "a"}, {})
        assert settings.key_set_urls == {issuer: jwks_url}


class TestDomains:
    def test_domain_and_issuer_may_both_be_given_when_they_agree(self) -> None:
        """An environment often has both; and a domain that is given twice is one."""
        assert load(AUTH0_ISSUER="https://example.eu.auth0.com/").key_set_urls == load().key_set_urls
        settings = load(AUTH0_DOMAIN="a.example.com,A.example.com", AUTH0_ISSUER="https://a.example.com/")
        assert settings.issuers == ("https://a.example.com/",)

    def test_a_domain_is_written_in_lower_case(self) -> None:
        """As Auth0 writes it in ``iss``."""
        assert load(AUTH0_DOMAIN="Example.EU.auth0.com").issuers == ("https://example.eu.auth0.com/",)

    @pytest.mark.parametrize(
        "value",
        [
            ["a.example.com", "b.example.com"],
            ("a.example.com", "b.example.com"),
            "a.example.com,b.example.com",
            " a.example.com , b.example.com ",
            ["A.Example.com", "b.example.com", "a.example.com", "B.EXAMPLE.COM"],
        ],
    )
    def test_several_domains_are_issuers_each_with_its_own_key_set(self, value: object) -> None:
        issuers = ("https://a.example.com/", "https://b.example.com/")
        settings = load(AUTH0_DOMAIN=value)
        assert settings.issuers == issuers
        assert list(settings.key_set_urls.values()) == [f"{issuer}.well-known/jwks.json" for issuer in issuers]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("AUTH0_ISSUER", "https://a.example.com/"),
            ("AUTH0_ISSUER", "https://other.example.com/"),
            ("AUTH0_JWKS_URL", "https://a.example.com/.well-known/jwks.json"),
        ],
    )
    def test_several_domains_take_no_single_issuer_and_no_single_key_set(self, key: str, value: str) -> None:
        """The keys of one would be tried for another."""
        several = {**GOOD, "AUTH0_DOMAIN": "a.example.com,b.example.com", key: value}
        assert problems(several) == {
            key: f"must not be set with several domains in AUTH0_DOMAIN: each has its own (got {value!r})"
        }
        with pytest.raises(ConfigurationError, match=key):
            load_settings({"AUTH0_AUDIENCE": "a"}, {name: several[name] for name in ("AUTH0_DOMAIN", key)})

    @pytest.mark.parametrize("domain", ["a.example.com", "b.example.com"])
    def test_what_is_said_of_audiences_is_said_for_each_domain(
        self, domain: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        several = {"AUTH0_DOMAIN": ["a.example.com", "b.example.com"]}
        said = problems({**several, "AUTH0_AUDIENCE": ["api", f"https://{domain}/userinfo"]})
        assert "userinfo" in said["AUTH0_AUDIENCE"]
        load(**several, AUTH0_AUDIENCE=["api", f"https://{domain}/api/v2/"])
        assert "Management API" in caplog.text


WRONG: dict[str, tuple[object, ...]] = {
    "AUTH0_DOMAIN": (
        "https://example.eu.auth0.com", "example.eu.auth0.com/", "a.example.com,https://b.example.com",
        "a.example.com,,b.example.com", ["a.example.com", "b"], ["a.example.com", 1], {"a.example.com"},
        {"a.example.com": 1}, "example", "-a.example.com", "a.example.com\nb.example.com", 1,
    ),
    "AUTH0_ISSUER": ("https://other.example.com/", "https://example.eu.auth0.com"),
    "AUTH0_AUDIENCE": ("https://example.eu.auth0.com/userinfo", "a,,b", [1], {"a": 1}),
    "AUTH0_JWKS_URL": (
        "http://example.com/keys", "http://127.0.0.1.example.com/keys", "https://user:secret@example.com/keys",
        "https://example.com/keys#x", "https://example.com:99999/keys", "https://[::1/keys", "file:///etc/passwd",
        "https:///keys", "https://example.com/a b",
    ),
    "AUTH0_ALGORITHMS": ("HS256", "none", "RS256,HS512", "rs256"),
    "AUTH0_LEEWAY": (-1, 301, "nan", True),
    "AUTH0_TOKEN_PROFILE": ("okta",),
    "AUTH0_ORGANIZATION": ("acme", "org_a1,acme", "org_", "org_a1 org_b2", [1], {"org_a1": True}),
    "AUTH0_PUBLIC_URL": (
        "api.example.com", "//api.example.com", "ftp://api.example.com", "http://api.example.com",
        "http://127.0.0.1.example.com", "https://user:secret@api.example.com", "https://@api.example.com",
        "https://api.example.com?x=1", "https://api.example.com/?", "https://api.example.com/#",
        "https://api.example.com/#x", "https://api.example.com:99999", "https://api.example.com:", "https:///api",
        "https://api.example.com//v1", "https://api.example.com/v1//", "https://api.example.com/%76",
        "https://api.example.com/<path:x>", 'https://api.example.com/"', "https://api.example.com\\v1",
        "https://api.example.com/\n", "https://münchen.example.com", 1,
    ),
    "AUTH0_RESOURCE_METADATA": ("perhaps",),
    "AUTH0_MAX_TOKEN_LIFETIME": (0,),
    "AUTH0_MAX_TOKEN_BYTES": (0,),
    "AUTH0_REALM": ("a\r\nX: y", "ü"),
    "AUTH0_JWKS_TTL": (0,),
    "AUTH0_JWKS_REFRESH_AHEAD": (600,),
    "AUTH0_JWKS_MAX_STALE": (599,),
    "AUTH0_JWKS_COOLDOWN": (-1,),
    "AUTH0_JWKS_TIMEOUT": ("inf",),
    "AUTH0_JWKS_MAX_BYTES": ("many",),
    "AUTH0_JWKS_HONOR_MAX_AGE": ("sometimes",),
    "AUTH0_JWKS_USER_AGENT": ("a\r\nX: y", "a\n", "a\tb", "ü", " a", "a ", "a  b", "x" * 257, 1),
    "AUTH0_CACHE_SECRET": (12,),
    "AUTH0_HEALTH_DETAILS": ("sometimes",),
    "AUTH0_ADMIN_SCOPE": ("two scopes",),
    "AUTH0_ADMIN_RBAC": ("perhaps",),
    "AUTH0_MTLS_CERT": ("SSL_CLIENT_CERT", "header:X-SSL-Client-Cert", 7),
}  # fmt: skip


class TestRefusing:
    @pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
    def test_a_wrong_value_is_named_with_what_would_be_right(self, key: str, value: object) -> None:
        said = problems({**GOOD, key: value})
        assert list(said) == [key]
        assert " (got " in said[key]

    def test_the_issuer_with_userinfo_is_refused_as_audience_for_a_custom_issuer_too(self) -> None:
        """It is in everybody's tokens."""
        config = {"AUTH0_ISSUER": "https://a.example.com/", "AUTH0_AUDIENCE": ["api", "https://a.example.com/userinfo"]}
        assert "userinfo" in problems(config)["AUTH0_AUDIENCE"]

    def test_every_wrong_key_is_named_at_once(self) -> None:
        said = problems({"AUTH0_LEEWAY": "x", "AUTH0_JWKS_TTL": 60, "AUTH0_DPOP": "required"})
        assert set(said) == {"AUTH0_DOMAIN", "AUTH0_AUDIENCE", "AUTH0_LEEWAY", "AUTH0_JWKS_REFRESH_AHEAD", "AUTH0_DPOP"}

    @pytest.mark.parametrize("mode", ["allowed", "required"])
    def test_dpop_needs_to_know_the_url_of_the_api(self, mode: str) -> None:
        """A proof names it. Without one, or trusted hosts, whoever replays it would write the Host header that fits."""
        assert "AUTH0_PUBLIC_URL" in problems({**GOOD, "AUTH0_DPOP": mode})["AUTH0_DPOP"]
        with pytest.raises(ConfigurationError, match="AUTH0_DPOP"):
            load_settings({**GOOD, "TRUSTED_HOSTS": []}, {"AUTH0_DPOP": mode})
        assert load(AUTH0_DPOP=mode, AUTH0_PUBLIC_URL="https://api.example.com").dpop == mode
        assert load(AUTH0_DPOP=mode, TRUSTED_HOSTS=["api.example.com"]).dpop == mode

    def test_no_secret_is_shown(self) -> None:
        for key in ("AUTH0_CACHE_SECRET", "AUTH0_CLIENT_SECRET"):
            assert "hunter2" not in str(problems({**GOOD, key: ["hunter2"]}))
            assert "hunter2" not in repr(load(**{key: "hunter2"}))


class TestDefaultsAndWarnings:
    @pytest.mark.parametrize(
        ("config", "secret"),
        [
            ({}, None),
            ({"SECRET_KEY": "app"}, "app"),
            ({"SECRET_KEY": b"\x00\xff"}, "00ff"),
            ({"SECRET_KEY": "app", "AUTH0_CACHE_SECRET": "own"}, "own"),
        ],
    )
    def test_the_cache_secret_defaults_to_the_secret_key(self, config: dict[str, Any], secret: str | None) -> None:
        assert load(**config).cache_secret == secret

    def test_the_old_name_of_the_audience_is_read_with_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        """From the old quickstart's ``.env``; the new name wins."""
        old = {"AUTH0_DOMAIN": "a.example.com", "API_ID": "old"}
        assert load_settings({}, old).audience == ("old",)
        assert "API_ID" in caplog.text
        assert load_settings({}, {**old, "AUTH0_AUDIENCE": "new"}).audience == ("new",)

    @pytest.mark.parametrize("name", ["API_AUDIENCE", "API_IDENTIFIER"])
    def test_a_name_that_others_have_for_the_audience_is_only_a_hint(self, name: str) -> None:
        """It is not read, and its value is not shown."""
        hint = f"; {name} is set: rename it to AUTH0_AUDIENCE"
        for config, environ in (({name: "coffee"}, {}), ({}, {name: "coffee"})):
            with pytest.raises(ConfigurationError) as caught:
                load_settings({"AUTH0_DOMAIN": "a.example.com", **config}, environ)
            assert caught.value.problems.keys() == {"AUTH0_AUDIENCE"}
            assert str(caught.value).endswith(hint)
            assert "coffee" not in str(caught.value)
        assert load(**{name: "coffee"}).audience == (GOOD["AUTH0_AUDIENCE"],)
        assert "rename" not in str(problems({**GOOD, name: "coffee", "AUTH0_AUDIENCE": 1}))

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            # What loosens something.
            ({"AUTH0_ADMIN_RBAC": False}, "AUTH0_ADMIN_RBAC"),
            ({"AUTH0_HEALTH_DETAILS": "always"}, "AUTH0_HEALTH_DETAILS"),
            ({"AUTH0_JWKS_COOLDOWN": 0}, "AUTH0_JWKS_COOLDOWN"),
            ({"AUTH0_AUDIENCE": "https://example.eu.auth0.com/api/v2/"}, "Management API"),
            # What is probably a typo.
            ({"AUTH0_AUDIENCES": "x"}, "did you mean AUTH0_AUDIENCE?"),
            ({"AUTH0_JWKS_TLL": "x"}, "did you mean AUTH0_JWKS_TTL?"),
        ],
    )
    def test_what_is_doubtful_is_warned_about(
        self, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], words: str
    ) -> None:
        load(**settings)
        assert words in caplog.text

    def test_keys_that_are_close_to_nothing_are_nobodys_business(self, caplog: pytest.LogCaptureFixture) -> None:
        """Apps have ``AUTH0_*`` keys of their own."""
        load(AUTH0_CALLBACK_URL="x")
        assert caplog.text == ""

    def test_the_example_shows_every_setting_once(self) -> None:
        """Commented or not."""
        example = (Path(__file__).parent.parent / "instance" / "config.example.py").read_text()
        keys = [line.removeprefix("# ").partition(" = ")[0] for line in example.splitlines() if " = " in line]
        assert sorted(key for key in keys if key.startswith("AUTH0_")) == sorted(SettingsSchema().fields)
        compile(example, "config.example.py", "exec")
