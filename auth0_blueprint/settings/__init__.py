"""The ``AUTH0_*`` settings: read (`loader`), validated (`schema`, `fields`), and kept in one frozen object."""

from auth0_blueprint.settings.effective import EffectiveSetting
from auth0_blueprint.settings.loader import Settings, load_settings

__all__ = ["EffectiveSetting", "Settings", "load_settings"]
