# As Synapse's own hash_password makes the hash, and its manual puts it into the database.
import unicodedata
import bcrypt
given = settings().get("password_config") or {}
text = unicodedata.normalize("NFKC", INPUT["password"]) + given.get("pepper", "")
made = bcrypt.hashpw(text.encode(), bcrypt.gensalt(settings().get("bcrypt_rounds", 12))).decode()
address = "@%s:%s" % (INPUT["user"], settings()["server_name"])
if not rows("UPDATE users SET password_hash = %s WHERE name = %s AND deactivated = 0 RETURNING name",
            (made, address)):
    raise SystemExit(f"there is no active account {address}")
answer(address)
