# By the shared secret, as Synapse's own register_new_matrix_user does.
import hashlib, hmac
path = "/_synapse/admin/v1/register"
nonce = json.loads(request(path))["nonce"]
role = "admin" if INPUT["admin"] else "notadmin"
mac = hmac.new(settings()["registration_shared_secret"].encode(), digestmod=hashlib.sha1)
mac.update(b"\0".join(part.encode() for part in (nonce, INPUT["user"], INPUT["password"], role)))
try:
    made = json.loads(request(path, {"nonce": nonce, "username": INPUT["user"], "admin": INPUT["admin"],
                                     "password": INPUT["password"], "mac": mac.hexdigest()}))
except urllib.error.HTTPError as error:
    raise SystemExit(json.load(error).get("error", str(error)))
answer(made["user_id"])
