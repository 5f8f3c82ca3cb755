from synapse.storage.schema import SCHEMA_VERSION
found = []
def check(name, test):
    try:
        passed, detail = test()
    except Exception as error:
        passed, detail = False, str(error).strip()
    found.append({"name": name, "passed": bool(passed), "detail": detail})
def schema():
    [(version,)] = rows("SELECT version FROM schema_version")
    return version == SCHEMA_VERSION, f"{version}; this Synapse has {SCHEMA_VERSION}"
def count(noun, query):
    [(number,)] = rows(query)
    return True, f"{number} {noun}"
def name():
    # Every account's address ends in it.
    server = settings()["server_name"]
    [(others,)] = rows("SELECT count(*) FROM users WHERE name NOT LIKE '%:" + server.replace("'", "''") + "'")
    return others == 0, f"{server}" if others == 0 else f"{others} accounts are of another server than {server}"
def media():
    store = settings()["media_store_path"] + "/local_content"
    ids = [row[0] for row in rows("SELECT media_id FROM local_media_repository WHERE url_cache IS NULL AND quarantined_by IS NULL")]
    missing = [i for i in ids if not os.path.exists(f"{store}/{i[:2]}/{i[2:4]}/{i[4:]}")]
    return not missing, f"{len(ids)} files" + (f", {len(missing)} of them missing" if missing else "")
def server():
    said = json.loads(request("/_matrix/federation/v1/version"))["server"]
    return True, f"{said['name']} {said['version']}"
check("the schema is that of Synapse", schema)
check("accounts", lambda: count("accounts", "SELECT count(*) FROM users"))
check("rooms", lambda: count("rooms", "SELECT count(*) FROM rooms"))
check("events", lambda: count("events", "SELECT count(*) FROM events"))
check("the server's name", name)
check("the signing key", lambda: (os.path.getsize(settings()["signing_key_path"]) > 0, None))
check("media", media)
check("Synapse answers", server)
answer(found)
