#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A mail server that keeps nothing: aiosmtpd takes the mail, Python's email package reads it.

First comes a line "listening on PORT", then one line of JSON for each mail. It runs under the
system's Python, whose package aiosmtpd is, whichever Python runs the tests.
"""
import asyncio
import email
import email.header
import email.policy
import email.utils
import json
import sys

from aiosmtpd.smtp import SMTP


def addresses(plain, name):
    """By the older interface: the newer one leaves blanks between the encoded words of a name."""
    found = email.utils.getaddresses([" ".join(str(plain[name] or "").splitlines())])
    return [[str(email.header.make_header(email.header.decode_header(who))), address]
        for who, address in found if address]


def told(envelope):
    """What a person who opens the mail sees of it, and whether it is well formed."""
    raw = envelope.original_content
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    plain = email.message_from_bytes(raw)
    text = mail.get_body(("plain",))
    return {
        "envelope": [envelope.mail_from, envelope.rcpt_tos],
        "names": [name.lower() for name in mail.keys()],
        "from": addresses(plain, "from"),
        "to": addresses(plain, "to"),
        "replyTo": addresses(plain, "reply-to"),
        "subject": str(mail["subject"]),
        "date": mail["date"].datetime.isoformat(),
        "id": str(mail["message-id"]),
        "text": text.get_content().replace("\r\n", "\n") if text else None,
        "calendars": [part.get_content() for part in mail.walk()
            if part.get_content_type() == "text/calendar"],
        "methods": [part.get_param("method") for part in mail.walk()
            if part.get_content_type() == "text/calendar"],
        "longest": max(len(line) for line in raw.split(b"\r\n")),
        "isAscii": raw.isascii(),
        "defects": [str(defect) for part in mail.walk() for defect in part.defects]
            + [str(defect) for value in mail.values() for defect in value.defects],
    }


class Reader:
    """What aiosmtpd calls."""

    async def handle_DATA(self, _server, _session, envelope):
        print(json.dumps(told(envelope)), flush=True)
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Reader(), loop=loop), "127.0.0.1", 0)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    # As long as somebody holds our input.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
