"""One request to authentik's API, signed in by the token of the secret `api_token`:

    python3 /potluck/api.py METHOD PATH <BODY

What the plugin runs. The body and the answer hold clients' secrets, so they are input and
output, and the token is in no argument. Prints the status and the answer as JSON; whatever
the status, an answer is none of its failures.
"""

import http.client
import json
import os
import sys


def main():
    method, path = sys.argv[1:]
    with open(os.environ.get("API_TOKEN_FILE", "/run/secrets/api_token")) as file:
        token = file.read().strip()
    body = sys.stdin.buffer.read()
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if body:
        headers["Content-Type"] = "application/json"
    address = os.environ.get("API_ADDRESS", "127.0.0.1:9000")
    try:
        connection = http.client.HTTPConnection(address, timeout=50)
        connection.request(method, "/api/v3" + path, body or None, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"authentik does not answer: {error}")
    try:
        document = json.loads(text) if text else None
    except ValueError:
        # A page, while the server starts for example.
        document = text.decode(errors="replace")[:500]
    json.dump({"status": answer.status, "body": document}, sys.stdout)


main()
