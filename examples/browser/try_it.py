"""The page on localhost:3000, the API on localhost:5000, an issuer on this machine, and tokens to paste into the page.

``python try_it.py``, or ``python try_it.py --outage`` to see what users see while the issuer cannot be reached.
"""

import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from auth0_blueprint.testing import LocalIssuer
from werkzeug.serving import make_server

from app import create_app

PAGE = Path(__file__).with_name("page")


def main():
    with LocalIssuer() as issuer:
        api = make_server("localhost", 5000, create_app(issuer.settings), threaded=True)
        threading.Thread(target=api.serve_forever, daemon=True).start()
        print("A token that may read:", issuer.token(scope="read:messages"), sep="\n")
        print("One that may not:", issuer.token(scope="openid"), sep="\n")
        print("An expired one:", issuer.token(scope="read:messages", expires_in=-60), sep="\n")
        if "--outage" in sys.argv:
            issuer.stop()
            print("The issuer has gone: the API cannot check any of them.")
        print("The page is at http://localhost:3000/. Stop with Ctrl+C.", flush=True)
        page = ThreadingHTTPServer(("localhost", 3000), partial(SimpleHTTPRequestHandler, directory=PAGE))
        page.serve_forever()


if __name__ == "__main__":
    main()
