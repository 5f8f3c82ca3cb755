"""Clock, randomness and the derivations that hooks need most often.

Not Python's own `random` and `secrets`: these here come from the operating
system every time, and can be scripted in tests.
"""

from . import _host

_KINDS = ("ed25519", "ecdsa-p256", "rsa2048", "rsa4096")


def now():
    """Seconds since 1970-01-01 UTC."""
    return _host.call("tools", "now")


def random_bytes(length):
    return bytes(_host.call("tools", "random_bytes", length))


def password(length=32, alphabet="abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"):
    """A random text, each letter as likely as every other."""
    fair = 256 - 256 % len(alphabet)
    letters = []
    while len(letters) < length:
        fitting = (byte for byte in random_bytes(length) if byte < fair)
        letters += (alphabet[byte % len(alphabet)] for byte in fitting)
    return "".join(letters[:length])


def bcrypt(password):
    """`$2b$12$...`"""
    return _host.call("tools", "bcrypt", password)


def argon2id(password):
    """`$argon2id$v=19$...`"""
    return _host.call("tools", "argon2id", password)


def keypair(kind):
    """A new key, `ed25519`, `ecdsa-p256`, `rsa2048` or `rsa4096`: its private and
    its public half, in PEM."""
    pair = _host.call("tools", "keypair", _host.case("tools", "KeyKind", _KINDS.index(kind)))
    return pair.private_pem, pair.public_pem
