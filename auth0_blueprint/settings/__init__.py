"""The ``AUTH0_*`` settings: read (`loader`), checked (`schema`, `fields`), and put into one frozen object."""

from auth0_blueprint.settings.loader import EffectiveSetting, Settings, load_settings

__all__ = ["EffectiveSetting", "Settings", "load_settings"]
