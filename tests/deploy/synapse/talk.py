# A person's app: signs in as ada and writes, or says what it sees, as JSON.
import json, sys, time, urllib.error, urllib.request

HERE = "http://127.0.0.1:8008"
given = json.load(sys.stdin)


def call(method, path, body=None, token=None, kind="application/json"):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    while True:
        request = urllib.request.Request(HERE + path, data, method=method)
        request.add_header("Content-Type", kind)
        if token:
            request.add_header("Authorization", "Bearer " + token)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            said = error.read()
            # Whoever writes too fast has to wait.
            if error.code != 429:
                raise SystemExit(f"{method} {path}: {error.code} {said!r}")
            time.sleep(json.loads(said).get("retry_after_ms", 500) / 1000)


def ask(*arguments, **more):
    return json.loads(call(*arguments, **more))


def newest(path, old):
    """Media have another address since 1.11 of the protocol, and the old one stays empty."""
    known = json.loads(call("GET", "/_matrix/client/versions"))["versions"]
    return path if "v1.11" in known else old


CLIENT = "/_matrix/client/v3"
who = {"type": "m.id.user", "user": "ada"}
signed = ask("POST", CLIENT + "/login", {"type": "m.login.password", "identifier": who,
                                         "password": given["password"]})
token, me = signed["access_token"], signed["user_id"]

if given["do"] == "write":
    room = ask("POST", CLIENT + "/createRoom", {"name": "Kitchen"}, token)["room_id"]
    for number, text in enumerate(given["messages"]):
        path = f"{CLIENT}/rooms/{room}/send/m.room.message/{number}"
        call("PUT", path, {"msgtype": "m.text", "body": text}, token)
    media = ask("POST", "/_matrix/media/v3/upload", b"two leeks", token, kind="text/plain")
    body = {"msgtype": "m.file", "body": "recipe.txt", "url": media["content_uri"]}
    call("PUT", f"{CLIENT}/rooms/{room}/send/m.room.message/file", body, token)
    call("PUT", f"{CLIENT}/profile/{me}/displayname", {"displayname": "Ada"}, token)

seen = {"name": ask("GET", f"{CLIENT}/profile/{me}/displayname", None, token)["displayname"],
        "rooms": []}
for room in ask("GET", CLIENT + "/joined_rooms", None, token)["joined_rooms"]:
    title = ask("GET", f"{CLIENT}/rooms/{room}/state/m.room.name", None, token)["name"]
    told = ask("GET", f"{CLIENT}/rooms/{room}/messages?dir=b&limit=100", None, token)["chunk"]
    texts = []
    for event in reversed(told):
        if event["type"] == "m.room.message":
            content = event["content"]
            texts.append([event["event_id"], content["body"]])
            if "url" in content:
                address = content["url"].removeprefix("mxc://")
                path = newest("/_matrix/client/v1/media/download/", "/_matrix/media/v3/download/")
                texts.append(call("GET", path + address, None, token).decode())
    seen["rooms"].append({"id": room, "title": title, "texts": texts})
print(json.dumps(seen))
