import base64, json, os, time, urllib.error, urllib.request
INPUT = json.loads(base64.b64decode("@INPUT@"))
def answer(value):
    print(json.dumps(value))
def settings():
    import yaml
    with open(os.environ["SYNAPSE_CONFIG_PATH"]) as file:
        return yaml.safe_load(file)
def rows(query, values=None):
    import psycopg2
    args = {k: v for k, v in settings()["database"]["args"].items() if not k.startswith("cp_")}
    with psycopg2.connect(**args) as connection, connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()
def request(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request("http://127.0.0.1:8008" + path, data)
    asked.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(asked, timeout=30) as reply:
        return reply.read()
