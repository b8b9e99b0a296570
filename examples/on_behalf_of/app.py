import os

import requests
from auth0_blueprint import (
    Auth0Blueprint,
    TokenExchangeError,
    client_token,
    current_token,
    exchange_token,
    requires_scope,
)
from flask import Flask

BILLING_AUDIENCE = "https://billing.example.com"


def create_app(config=None):
    """Return the API that users call. It calls another one, Billing, on their behalf."""
    app = Flask(__name__)
    app.config.from_mapping({"BILLING_URL": os.environ.get("BILLING_URL"), **(config or {})})
    app.register_blueprint(Auth0Blueprint())

    @app.get("/orders/<order>")
    @requires_scope("read:orders")
    def order(order):
        # The same user, for another API: what they may not see there, they do not see here.
        token = exchange_token(BILLING_AUDIENCE, "read:invoices")
        answer = requests.get(f"{app.config['BILLING_URL']}/invoices/{order}", headers=token.headers, timeout=5)
        answer.raise_for_status()
        return {"order": order, "of": current_token.subject, "invoice": answer.json()}

    @app.get("/orders/<order>/summary")
    @requires_scope("read:orders")
    def summary(order):
        # A part of the answer that the API can do without.
        try:
            token = exchange_token(BILLING_AUDIENCE, "read:invoices")
        except TokenExchangeError as error:
            app.logger.warning("no invoice: %s (%s)", error.code, error.endpoint_error)
            return {"order": order, "invoice": None}
        answer = requests.get(f"{app.config['BILLING_URL']}/invoices/{order}", headers=token.headers, timeout=5)
        return {"order": order, "invoice": answer.json() if answer.ok else None}

    @app.cli.command("close-month")
    def close_month():
        """Have Billing close the month, in the name of this API: there is no user."""
        token = client_token(BILLING_AUDIENCE, "close:months")
        requests.post(f"{app.config['BILLING_URL']}/months", headers=token.headers, timeout=5).raise_for_status()

    return app
