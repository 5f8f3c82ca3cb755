"""pgAdmin's configuration: what the app's settings and secrets say."""

# pgAdmin takes over every name that does not begin with an underscore.
from os import environ as _environ

_get = _environ.get

# Cookies are for the way that people come.
SESSION_COOKIE_SECURE = _get("SITE_URL", "").startswith("https://")

# Whom to believe how people came: a proxy, if there is one, and nobody else.
PROXY_X_FOR_COUNT = PROXY_X_PROTO_COUNT = PROXY_X_PORT_COUNT = int(_get("FORWARDED") == "yes")

# The recipe says which version runs.
UPGRADE_CHECK_ENABLED = False

if _get("OIDC_DISCOVERY"):
    # The form stays, for those who have a password here.
    AUTHENTICATION_SOURCES = ["oauth2", "internal"]
    # Who signs in first gets an account, of the role `User`.
    OAUTH2_AUTO_CREATE_USER = True

    with open("/run/secrets/oidc_client_secret") as _file:
        _secret = _file.read().rstrip("\n")
    _allowed = [name.strip() for name in _get("OIDC_ALLOWED_GROUPS", "").split(",")]
    _allowed = [name for name in _allowed if name]
    if _get("OIDC_ALLOWED_GROUPS") and not _allowed:
        raise SystemExit("OIDC_ALLOWED_GROUPS names no group")

    OAUTH2_CONFIG = [
        {
            "OAUTH2_NAME": "sso",
            "OAUTH2_DISPLAY_NAME": _get("OIDC_NAME"),
            "OAUTH2_CLIENT_ID": _get("OIDC_CLIENT_ID"),
            "OAUTH2_CLIENT_SECRET": _secret,
            # With it pgAdmin finds the provider's addresses and verifies id tokens.
            "OAUTH2_SERVER_METADATA_URL": _get("OIDC_DISCOVERY"),
            "OAUTH2_SCOPE": _get("OIDC_SCOPES"),
            "OAUTH2_CHALLENGE_METHOD": "S256",
            "OAUTH2_RESPONSE_TYPE": "code",
            "OAUTH2_USERNAME_CLAIM": _get("OIDC_USER_CLAIM"),
            # One of them is enough; None asks for nothing.
            "OAUTH2_ADDITIONAL_CLAIMS": {_get("OIDC_GROUPS_CLAIM"): _allowed} if _allowed else None,
            "OAUTH2_ICON": "fa-openid",
            "OAUTH2_BUTTON_COLOR": None,
        }
    ]
    # Asked only for claims that are not in the id token.
    if _get("OIDC_USERINFO"):
        OAUTH2_CONFIG[0]["OAUTH2_USERINFO_ENDPOINT"] = _get("OIDC_USERINFO")
