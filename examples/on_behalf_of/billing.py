from auth0_blueprint import Auth0Blueprint, current_token, requires_actor, requires_scope
from flask import Flask

ORDERS_CLIENT_ID = "orders-api"


def create_app(config=None):
    """Return the API that is called on behalf of users."""
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    app.register_blueprint(Auth0Blueprint())

    @app.get("/invoices/<invoice>")
    @requires_scope("read:invoices")
    @requires_actor(ORDERS_CLIENT_ID)
    def invoice(invoice):
        return {"invoice": invoice, "of": current_token.subject, "asked_by": current_token.actor.subject}

    @app.post("/months")
    @requires_scope("close:months")
    def close_month():
        return {"closed_by": current_token.client_id}, 201

    return app
