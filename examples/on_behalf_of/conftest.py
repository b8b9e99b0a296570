import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import billing
import pytest

from app import BILLING_AUDIENCE, create_app

SECRET = "the client secret of the orders API"


class Silent(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def billing_url(auth0_issuer):
    """Billing, at an address of its own, with the same issuer."""
    app = billing.create_app({**auth0_issuer.settings, "AUTH0_AUDIENCE": BILLING_AUDIENCE})
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def app(auth0_issuer, billing_url):
    auth0_issuer.add_client(billing.ORDERS_CLIENT_ID, SECRET, scope="close:months")
    auth0_issuer.token_endpoint.add_api(BILLING_AUDIENCE)
    client = {"AUTH0_CLIENT_ID": billing.ORDERS_CLIENT_ID, "AUTH0_CLIENT_SECRET": SECRET}
    return create_app({**auth0_issuer.settings, **client, "BILLING_URL": billing_url})
