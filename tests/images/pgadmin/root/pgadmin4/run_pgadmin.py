"""pgAdmin as a server for several people, for gunicorn."""

import os

os.environ["PGADMIN_SERVER_MODE"] = "ON"

from pgAdmin4 import app  # noqa: E402,F401
