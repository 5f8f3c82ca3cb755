"""Sends a message for a test: by Isso's own settings, and by its own mailer.

  /isso/bin/python /send-test.py ada@example.org
"""

import os
import smtplib
import sys

from isso import config
from isso.ext.notifications import SMTP


def words(error):
    """The relay's own, where it answered."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, answer = error.smtp_code, error.smtp_error
    else:
        return str(error) or repr(error)
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return " ".join(f"{code} {text}".split())


def main():
    if len(sys.argv) != 2 or "@" not in sys.argv[1] or any(c.isspace() for c in sys.argv[1]):
        sys.exit("expected a mail address")
    settings = config.load(config.default_file(), os.environ["ISSO_SETTINGS"])
    # Without what it does as it starts: it would try the relay, and go on if that fails.
    mailer = SMTP.__new__(SMTP)
    mailer.conf = settings.section("smtp")
    try:
        mailer._sendmail("Test message", "This site can send mail about comments.", sys.argv[1])
    except (OSError, smtplib.SMTPException) as error:
        sys.exit(words(error))


main()
