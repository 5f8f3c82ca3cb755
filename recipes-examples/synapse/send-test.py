"""Sends a message for a test: by Synapse's own settings, and by its own mailer.

  python3 /send-test.py ada@example.org
"""

import os
import sys
from types import SimpleNamespace

# As entrypoint.py has it for Synapse itself.
if os.path.exists("/tmp/authorities.pem"):
    os.environ["SSL_CERT_FILE"] = "/tmp/authorities.pem"

from twisted.internet import defer, reactor
from twisted.mail import smtp

from synapse.config.homeserver import HomeServerConfig
from synapse.handlers.send_email import SendEmailHandler

# Seconds; a relay that cannot be reached is given up after 30.
AT_MOST = 60

# None, or why the message was not sent.
ended = []


def end(reason=None):
    if not ended:
        ended.append(reason)
        reactor.stop()


class Watched(smtp.ESMTPSender):
    """Synapse waits for ever when the connection breaks, such as for a certificate."""

    def connectionLost(self, reason):
        super().connectionLost(reason)
        reactor.callLater(1, end, reason.value)


def words(reason):
    """The relay's own, where it answered."""
    for _, code, answer in getattr(reason, "addresses", None) or []:
        return f"{code} {answer.decode(errors='replace')}"
    # Some of twisted's errors say nothing as text.
    text = str(reason).strip() or repr(reason)
    return text.split("\n")[0]


def main():
    if len(sys.argv) != 2 or "@" not in sys.argv[1] or any(c.isspace() for c in sys.argv[1]):
        sys.exit("expected a mail address")
    config = HomeServerConfig.load_config("", ["--config-path", os.environ["SYNAPSE_CONFIG_PATH"]])
    # All that the mailer asks of a server.
    server = SimpleNamespace(config=config, get_reactor=lambda: reactor)
    name = config.server.server_name
    text = f"This server can send mail: {name}"
    message = SendEmailHandler(server).send_email(
        sys.argv[1], f"Test message of {name}", config.email.email_app_name, f"<p>{text}</p>", text
    )
    sending = defer.ensureDeferred(message)
    sending.addCallbacks(lambda _: end(), lambda failure: end(failure.value))
    reactor.callLater(AT_MOST, end, f"the relay did not answer within {AT_MOST} seconds")
    reactor.run()
    if ended[0] is not None:
        sys.exit(words(ended[0]))


smtp.ESMTPSenderFactory.protocol = Watched
main()
