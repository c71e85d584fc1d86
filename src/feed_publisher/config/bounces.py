"""[bounces]: how mail that comes back reaches us, and what follows from it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from feed_publisher.config.section import Section
from feed_publisher.config.values import Duration


class Bounces(Section):
    """[bounces]; the ways in for mail that comes back to mail.bounce_domain, and what follows from it"""

    listen: str = ""
    """Where `serve` takes mail from your mail server, such as "127.0.0.1:2525". Empty: nowhere."""

    protocol: Literal["lmtp", "smtp"] = "lmtp"
    """What is spoken there."""

    maildir: str = ""
    """A Maildir that your mail server delivers to, seen from publisher.toml; `tick` and `serve` read its new/ and move
    what they have dealt with to cur/."""

    imap_host: str = ""
    """A mailbox that is read by IMAP, over TLS; what has been dealt with is marked as seen."""

    imap_port: Annotated[int, Field(ge=1, le=65535)] = 993
    """Its port. Without TLS only on this machine, with any other port than 993."""

    imap_user: str = ""
    """The login of the mailbox."""

    imap_password_file: str = ""
    """A file that holds just the password, seen from publisher.toml."""

    imap_folder: Annotated[str, Field(pattern=r'^[^"\\\x00-\x1f\x7f]+$')] = "INBOX"
    """The folder in it."""

    hook_secret_file: str = ""
    """A file with a secret that signs what is posted to /hooks/mail/generic (docs/delivery.md)."""

    postmark_password_file: str = ""
    """A file with the password that Postmark logs in with at /hooks/mail/postmark, as user "postmark"."""

    sendgrid_key_file: str = ""
    """A file with the public key of SendGrid's signed event webhook, for /hooks/mail/sendgrid."""

    mailgun_key_file: str = ""
    """A file with Mailgun's webhook signing key, for /hooks/mail/mailgun."""

    ses_topics: tuple[str, ...] = ()
    """ARNs of the Amazon SNS topics that SES publishes to and that post to /hooks/mail/ses."""

    soft_limit: Annotated[int, Field(ge=1, le=100)] = 5
    """On how many days mail to an address may come back, for a full mailbox or without a clear reason, until it is
    never mailed again."""

    soft_for: Duration = timedelta(days=90)
    """How long such a day counts, such as "90 days"."""

    @model_validator(mode="after")
    def _ways_are_complete(self) -> Bounces:
        if self.listen:
            self._address()
        if self.imap_host and not (self.imap_user and self.imap_password_file):
            raise ValueError("imap_host: name imap_user and imap_password_file as well")
        for arn in self.ses_topics:
            if not re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+", arn):
                raise ValueError(f"ses_topics: {arn!r} is no ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME")
        return self

    def _address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise ValueError(f'listen: {self.listen!r} is no address; write host:port, such as "127.0.0.1:2525"')
        return host.strip("[]"), int(port)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of ``listen``."""
        return self._address()

    @property
    def hooks(self) -> tuple[str, ...]:
        """Names of the web hooks that are set up."""
        found = (
            ("generic", self.hook_secret_file),
            ("postmark", self.postmark_password_file),
            ("sendgrid", self.sendgrid_key_file),
            ("mailgun", self.mailgun_key_file),
            ("ses", self.ses_topics),
        )
        return tuple(name for name, value in found if value)

    @property
    def takes_mail(self) -> bool:
        """Whether whole mails come in, not only what a service says about them."""
        return bool(self.listen or self.maildir or self.imap_host)
