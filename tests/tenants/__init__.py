"""Several tenants behind one app, told apart by a function in ``AUTH0_DOMAIN``."""
