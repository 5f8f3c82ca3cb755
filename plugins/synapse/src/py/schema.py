from synapse.storage.schema import SCHEMA_VERSION
[(version,)] = rows("SELECT version FROM schema_version")
[(compat,)] = rows("SELECT compat_version FROM schema_compat_version")
[(open_updates,)] = rows("SELECT count(*) FROM background_updates")
answer({"version": version, "compat": compat, "code": SCHEMA_VERSION, "open": open_updates})
