"""The one error of a hook: a sentence for people, perhaps a hint, and whether the
same call may succeed later."""


class Failure(Exception):
    """Why a hook could not do its work.

    `message` is one sentence, in lower case and without a full stop; `hint` says
    what to try next.
    """

    def __init__(self, message, hint=None, retryable=False):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retryable = retryable


class HostError(Failure):
    """What the host did not do. `kind` is the WIT interface's word for it:
    `denied`, `unknown-service`, `not-running`, `timed-out`, `invalid`,
    `too-large`, `engine`, `unknown-secret`, `unavailable`, `exists`, `failed`,
    `not-found`; and `ended` for a program with another exit code than 0."""

    def __init__(self, kind, detail=None):
        hint = None
        if kind == "denied" and _is_grant(detail):
            hint = f"write `{detail}` under this plugin's grants in recipe.yml"
        super().__init__(_sentence(kind, detail), hint, kind in ("not-running", "timed-out"))
        self.kind = kind
        self.detail = detail


def _is_grant(detail):
    # An address that stays closed is denied with the reason instead.
    return str(detail).startswith(("exec: ", "secret: ", "http: "))


def _sentence(kind, detail):
    match kind:
        case "denied" if _is_grant(detail):
            return f"the plugin was not granted `{detail}`"
        case "unknown-service":
            return f"the app has no service `{detail}`"
        case "not-running":
            return f"the service `{detail}` is not running"
        case "timed-out":
            return "it took longer than was allowed"
        case "too-large":
            return f"it is larger than {detail} bytes"
        case "unknown-secret":
            return f"the app has no secret `{detail}`"
        case "exists":
            return f"the secret `{detail}` exists already"
        case "not-found":
            return "there is no such file"
        case _:
            return str(detail)
