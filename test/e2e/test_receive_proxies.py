# SPDX-License-Identifier: Apache-2.0
"""`usher receive` behind Debian's nginx and haproxy: the same calls come out the same, one request
in is one request out, and only a proxy that is trusted is believed."""
import collections
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.parse

from front import FrontCase, exchange, head, sha256, statuses
from harness import PATIENCE, Caller, eventually, quiet_port

TOKEN = "a-token-that-nobody-guesses"
# Proxies call from an address of their own, so that who calls directly is not taken for one.
PROXY = "127.0.0.2"
NEAR = "127.0.0.77"
ROUTES = ("direct", "nginx", "streamed", "haproxy")
PATHS = os.environ.get("PATH", "") + ":/usr/sbin"

SECTIONS = f"trusted-proxy = {PROXY}/32\n" + "".join(f"""
[source {name}]
accept = token
token-sha256 = {sha256(TOKEN)}
body-max-kib = 512
""" for name in ROUTES) + f"""
[source largest]
accept = none
[source near]
accept = token and address
token-sha256 = {sha256(TOKEN)}
address = {NEAR}/32
[source seen]
accept = none
observe = yes
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error;
{user}
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    log_format counted "$server_port $status $upstream_status $request_method";
    access_log {folder}/nginx.access counted;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    large_client_header_buffers 4 32k;
    upstream usher {{ server {usher}; keepalive 4; }}
    proxy_http_version 1.1;
    proxy_bind {proxy};
    proxy_set_header Host $host;
    proxy_set_header Connection "";
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_next_upstream off;
    server {{
        listen 127.0.0.1:{nginx};
        location / {{ proxy_pass http://usher; }}
    }}
    server {{
        listen 127.0.0.1:{streamed};
        location / {{ proxy_pass http://usher; proxy_request_buffering off; }}
    }}
}}
"""

HAPROXY = """
global
    stats socket {folder}/stats
    tune.bufsize 32768
    tune.http.maxhdr 200
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    option forwardfor
    option http-keep-alive
    http-reuse always
    retries 0
frontend front
    bind 127.0.0.1:{haproxy}
    default_backend back
backend back
    server usher {usher} source {proxy}
"""


def post(path, *lines, body=b"{}"):
    return head(b"POST " + path.encode() + b" HTTP/1.1", *lines,
        b"Content-Length: %d" % len(body)) + body


class ProxyCase(FrontCase):
    sections = SECTIONS

    @classmethod
    def setUpClass(cls):
        missing = [name for name in ("nginx", "haproxy") if shutil.which(name, path=PATHS) is None]
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}")
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="usher-proxies-")
        cls.addClassCleanup(folder.cleanup)
        cls.proxies = folder.name
        ports = {name: quiet_port() for name in ROUTES[1:]}
        told = {"folder": folder.name, "proxy": PROXY, **ports,
            "user": "user root;" if os.geteuid() == 0 else "",
            "usher": urllib.parse.urlsplit(cls.usher.base).netloc}
        cls.bases = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        cls.bases["direct"] = cls.usher.base
        cls.run_proxy("nginx", NGINX.format(**told), "-c", "{}", "-e",
            os.path.join(folder.name, "nginx.error"))
        cls.run_proxy("haproxy", HAPROXY.format(**told), "-db", "-f", "{}")
        for port in ports.values():
            eventually("a proxy listens", lambda port=port: cls.listens(port))

    @classmethod
    def run_proxy(cls, name, text, *arguments):
        conf = os.path.join(cls.proxies, name + ".conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(text)
        with open(os.path.join(cls.proxies, name + ".log"), "wb") as log:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM",
                shutil.which(name, path=PATHS), *(conf if a == "{}" else a for a in arguments)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cls.proxies)

        def end():
            process.terminate()
            process.wait(PATIENCE)

        cls.addClassCleanup(end)

    @staticmethod
    def listens(port):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    def call(self, caller, method, path, body=None, headers=None):
        """Status, and what was answered; body: bytes, or an iterator of pieces sent as chunks."""
        caller.connection.request(method, path, body, headers or {},
            encode_chunked=hasattr(body, "__next__"))
        response = caller.connection.getresponse()
        text = response.read()
        if response.status == 200 and text:
            return response.status, json.loads(text)
        return response.status, text


class SameCalls(ProxyCase):
    """Proxies of its own, as all that they have seen is counted."""

    def nginx_counts(self, route):
        """{(status, of upstream, method): n}"""
        port = str(urllib.parse.urlsplit(self.bases[route]).port)
        with open(os.path.join(self.proxies, "nginx.access"), encoding="ascii") as log:
            lines = [line.split() for line in log]
        return collections.Counter(tuple(line[1:]) for line in lines if line[0] == port)

    def haproxy_requests(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(os.path.join(self.proxies, "stats"))
            connection.sendall(b"show stat\n")
            text = b""
            while piece := connection.recv(65536):
                text += piece
        lines = [line.split(",") for line in text.decode().strip().split("\n")]
        names = lines[0]
        back, = (dict(zip(names, line)) for line in lines[1:] if line[1] == "BACKEND")
        return int(back["req_tot"])

    def good_calls(self, route):
        """(body, headers); as an iterator of pieces it is sent in chunks."""
        path = f"/in/{route}/{TOKEN}"
        for n, size in enumerate((2, 17, 1000, 15000, 16384, 70000, 300000, 524288 - 20)):
            text = json.dumps({"n": n, "x": "y" * size}).encode()[:-2]
            text += b'"}'
            yield path, text, text, {}
            text = text.replace(b'{"n"', b'{"m"')
            pieces = iter([text[at:at + 4099] for at in range(0, len(text), 4099)])
            yield path, text, pieces, {"Transfer-Encoding": "chunked"}
        for n, name in enumerate(("X-USHER-EVENT", "x-usher-event", "X-Usher-Event")):
            text = b'{"case":%d}' % n
            yield path, text, text, {name: "webinar.created.single",
                "cOnTeNt-TyPe": "APPLICATION/json"}
        text = b'{"coded":1}'
        yield f"/in/%{ord(route[0]):02X}{route[1:]}/{TOKEN}?a=b&c", text, text, {}

    def run_traffic(self, route):
        """What is answered, and what is stored by which id."""
        caller = Caller(self.bases[route])
        said, items = [], {}
        with contextlib.closing(caller):
            for path, text, body, headers in self.good_calls(route):
                status, answer = self.call(caller, "POST", path, body, headers)
                said.append((status, answer["status"]))
                items[answer["id"]] = text
                # After each, one that is refused on the same connection, and so leaves nothing.
                said.append(self.call(caller, "POST", f"/in/{route}/wrong", b"{}")[0])
            again = next(iter(items.values()))
            status, answer = self.call(caller, "POST", f"/in/{route}/{TOKEN}", again)
            said.append((status, answer["status"], items[answer["id"]] == again))
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
                said.append((method, self.call(caller, method, f"/in/{route}")[0]))
            for body in (b"{", b"", b'{"a":1}"', b"\xff"):
                said.append(self.call(caller, "POST", f"/in/{route}/{TOKEN}", body)[0])
            large = b'"' + b"x" * 600000 + b'"'
            said.append(self.call(caller, "POST", f"/in/{route}/{TOKEN}", large)[0])
            said.append(self.call(caller, "POST", f"/in/{route}/{TOKEN}", iter([large]),
                {"Transfer-Encoding": "chunked"})[0])
            status, answer = self.call(caller, "POST", f"/in/{route}/{TOKEN}", b'{"last":1}')
            items[answer["id"]] = b'{"last":1}'
        return said, items

    def refused_heads(self, route):
        """Answered by the head alone. Each on a connection of its own: nginx, if it has not sent on
        all of the body by then throws away what follows."""
        path, close = f"/in/{route}/{TOKEN}", b"Connection: close"
        for request in (
                post(path, close, b"Content-Encoding: gzip"),
                head(b"POST /in/" + b"x" * 9000 + b" HTTP/1.1", close,
                    b"Content-Length: 0"),
                post(path, close, *[b"A: b"] * 120),
                post(path, close, *[b"A: " + b"x" * 300] * 60),
                head(b"POST " + path.encode() + b" HTTP/1.1", close, b"Content-Length: 1048577")
                    + b" " * 1048577):
            yield statuses(exchange(self.bases[route], request))

    def test_the_same_calls_come_out_the_same(self):
        said, stored, counted, refused = {}, {}, {}, {}
        for route in ROUTES:
            said[route], items = self.run_traffic(route)
            refused[route] = list(self.refused_heads(route))
            rows = self.usher.stored("SELECT inbox_pk, body, event FROM inbox JOIN source"
                " USING (source_pk) WHERE name = ? ORDER BY inbox_pk", route)
            # Each answer was that of its own call.
            self.assertEqual({f"in_{pk:016x}": bytes(body) for pk, body, _ in rows}, items)
            stored[route] = [(bytes(body), event) for _, body, event in rows]
            counted[route] = self.counts()[route]
        for route in ROUTES[1:]:
            self.assertEqual(said[route], said["direct"], route)
            self.assertTrue(stored[route] == stored["direct"], route)
            self.assertEqual(counted[route], counted["direct"], route)
            self.assertEqual(refused[route], refused["direct"], route)
        self.assertEqual(refused["direct"], [[415], [414], [431], [431], [413]])

        direct = collections.Counter(status if isinstance(status, int) else status[0]
            for status in said["direct"])
        self.assertEqual(direct, {200: len(stored["direct"]), 401: 20, 400: 4, 413: 2,
            "GET": 1, "HEAD": 1, "PUT": 1, "DELETE": 1, "PATCH": 1, "OPTIONS": 1})
        self.assertEqual(counted["direct"], {"accepted": len(stored["direct"]), "duplicate": 1,
            "refused": 20, "invalid": 6})

        # What the proxies have seen is what was sent, and each was answered by usher itself.
        sent = len(said["direct"]) + 1 + len(refused["direct"])
        for route in ("nginx", "streamed"):
            counts = eventually("nginx has written its log", lambda route=route:
                sum(self.nginx_counts(route).values()) >= sent and self.nginx_counts(route))
            self.assertEqual(sum(counts.values()), sent, counts)
            self.assertEqual({status for status, of_usher, _ in counts if status != of_usher},
                set(), counts)
        self.assertEqual(self.haproxy_requests(), sent)


class BehindProxies(ProxyCase):
    def test_many_at_once_share_the_proxies_connections(self):
        """The largest bodies, and small ones between them: every answer is its own call's."""
        for route in ROUTES[1:]:
            callers = [Caller(self.bases[route]) for _ in range(8)]
            items = {}
            for n in range(24):
                caller = callers[n % len(callers)]
                large = n % 6 == 5
                text = json.dumps({"route": route, "n": n}).encode()
                text += b" " * (1048576 - len(text) if large else 0)
                status, answer = self.call(caller, "POST", "/in/largest", text)
                self.assertEqual((status, answer["status"]), (200, "accepted"), route)
                items[answer["id"]] = text
                self.assertEqual(self.call(caller, "POST", "/in/nobody", b"{}")[0], 401)
            for caller in callers:
                caller.close()
            self.assertEqual(len(items), 24)
            for item, text in items.items():
                (body,), = self.usher.stored("SELECT body FROM inbox WHERE inbox_pk = ?",
                    int(item.removeprefix("in_"), 16))
                self.assertTrue(bytes(body) == text, item)

    def knock(self, route, source, headers=None, path=f"/in/near/{TOKEN}"):
        """From an address of ours."""
        caller = Caller(self.bases[route])
        caller.connection.source_address = (source, 0)
        with contextlib.closing(caller):
            return self.call(caller, "POST", path, b"{}", headers)[0]

    def test_an_address_is_proven_through_a_trusted_proxy_alone(self):
        forged = {"X-Forwarded-For": NEAR}
        others = {"Forwarded": f"for={NEAR}"}
        for route in ROUTES:
            with self.subTest(route):
                self.assertEqual(self.knock(route, NEAR), 200)
                self.assertEqual(self.knock(route, NEAR, path="/in/near/wrong"), 401)
                self.assertEqual(self.knock(route, "127.0.0.78"), 401)
                self.assertEqual(self.knock(route, "127.0.0.78", forged), 401)
                self.assertEqual(self.knock(route, "127.0.0.78", others), 401)
                self.assertEqual(self.knock(route, "127.0.0.78", {**forged, **others}), 401)
                self.assertEqual(self.knock(route, "127.0.0.78",
                    {"X-Forwarded-For": f"{NEAR}, {PROXY}"}), 401)
        # A direct caller who is near is so by his connection, whatever he says.
        self.assertEqual(self.knock("direct", NEAR, {"X-Forwarded-For": "127.0.0.78"}), 200)
        # And who is trusted is believed.
        self.assertEqual(self.knock("direct", PROXY, forged), 200)
        self.assertEqual(self.knock("direct", PROXY, {"X-Forwarded-For": "nonsense"}), 401)
        self.assertEqual(self.knock("direct", PROXY), 401)

    def test_the_log_names_who_called_and_not_the_proxy(self):
        for number, route in enumerate(ROUTES):
            source = f"127.0.0.{100 + number}"
            self.assertEqual(self.knock(route, source, {"X-Forwarded-For": "192.0.2.1"},
                "/in/seen"), 200)
            self.assertIn(f"call.observed source=seen peer={source} ", self.usher.log())
        self.assertNotIn("192.0.2.1", self.usher.log())
