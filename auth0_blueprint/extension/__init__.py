"""Puts everything onto one Flask app; the only package that knows flask-caching and flask-jwt-extended."""
