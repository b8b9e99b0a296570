"""Read by gunicorn, which looks for this file where it is started."""

import os

bind = "0.0.0.0:8000"
wsgi_app = "app:create_app()"
workers = int(os.environ.get("WORKERS", "2"))
threads = 8
# Memory is shared by the workers until they write to it. Nothing runs yet when they part: keys are fetched afterwards.
# With worker_class = "gevent", put "from gevent import monkey" and "monkey.patch_all()" on top of this file.
preload_app = True
# Where the container keeps its files a heartbeat may block; in memory it does not.
worker_tmp_dir = "/dev/shm"
# gunicorn 25 and newer would make a socket for commands in the home directory; nobody has one.
control_socket_disable = True
# Longer than any wait of the package (AUTH0_JWKS_TIMEOUT plus 1 s), so that no worker is killed while Auth0 is slow.
timeout = 30
graceful_timeout = 25
# Headers of requests, and so tokens, are not in this log.
accesslog = "-"
