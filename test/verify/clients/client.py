# SPDX-License-Identifier: Apache-2.0
"""Makes the calls that it is told on its input, by Python's standard library; a line for each:
status and body."""
import base64
import http.client
import json
import sys
import urllib.parse
import urllib.request

told = json.load(sys.stdin)
calls = told["calls"]
proof = base64.b64encode(f"{told['user']}:{told['password']}".encode()).decode()
place = urllib.parse.urlsplit(told["url"])


def say(answer):
    print(answer.status, answer.read().decode(), flush=True)


# One connection: a length, then pieces of a generator, which go chunked.
connection = http.client.HTTPConnection(place.hostname, place.port)
for i, call in enumerate(calls[:3]):
    raw = call["body"].encode()
    body = raw if i != 1 else (raw[j:j + 100] for j in range(0, len(raw), 100))
    connection.request("POST", place.path, body,
        {**call["headers"], "Authorization": f"Basic {proof}"}, encode_chunked=i == 1)
    say(connection.getresponse())
connection.close()

request = urllib.request.Request(told["url"], calls[3]["body"].encode(),
    {**calls[3]["headers"], "Authorization": f"Basic {proof}"})
with urllib.request.urlopen(request) as answer:
    say(answer)
