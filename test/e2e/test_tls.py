# SPDX-License-Identifier: Apache-2.0
"""TLS on both sides: the API takes a new certificate on SIGHUP, a hook must have a good one."""
import contextlib
import http.server
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import warnings

from harness import EVENT, HOOKS, TestCase, eventually


def make_certificate(folder, name, days="2"):
    """A certificate of its own authority, for localhost and 127.0.0.1; returns both paths."""
    paths = [os.path.join(folder, f"{name}.{kind}") for kind in ("pem", "key")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", days, "-subj", f"/CN={name}", "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]],
        check=True, capture_output=True)
    return paths


def take_any_version(context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED


class TlsHook:
    """An endpoint that takes calls over TLS, perhaps of no newer version than this."""

    def __init__(self, certificate, key, newest=None):
        calls = self.calls = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                calls.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if newest is not None:
            take_any_version(context)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
                context.maximum_version = newest
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A caller who breaks off is what one of the tests is about, and no news.
        self.server.handle_error = lambda *_: None
        # Shaken hands in the connection's own thread, so that a refusal does not stop the server.
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://127.0.0.1:{self.server.server_port}/hook"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Tls(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        cls.addClassCleanup(cls.keys.cleanup)
        cls.trusted = make_certificate(cls.keys.name, "trusted")
        cls.stranger = make_certificate(cls.keys.name, "stranger")
        cls.serving = [os.path.join(cls.keys.name, f"serving.{kind}") for kind in ("pem", "key")]
        for source, target in zip(cls.trusted, cls.serving):
            shutil.copy(source, target)
        cls.options = ("--allow-private-hooks", "--tls-ca-file", cls.trusted[0],
            "--retry-delays", "60")
        super().setUpClass()

    def tls_hook(self, certificate, newest=None):
        endpoint = TlsHook(*certificate, newest)
        self.addCleanup(endpoint.stop)
        hook = self.expect(self.api.post(HOOKS, {"hookUrl": endpoint.url, "event": EVENT}), 201)
        return endpoint, hook

    def test_a_hook_is_called_over_tls_once_its_certificate_is_good(self):
        endpoint, _ = self.tls_hook(self.trusted)
        self.webinar(mangoes=[self.mango(people=self.people(50))])
        eventually("50 calls", lambda: len(endpoint.calls) == 50)
        self.settled()

    def test_a_strangers_certificate_is_refused_and_said_so(self):
        endpoint, hook = self.tls_hook(self.stranger)
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        delivery = eventually("a failed attempt", lambda: [
            found for found in self.expect(
                self.api.get(f"/deliveries?hook={hook['id']}"), 200)["data"]
            if found["lastResult"] is not None])[0]
        self.assertEqual((delivery["status"], delivery["lastResult"]), ("waiting", "tls"))
        attempt, = self.expect(self.api.get(f"/deliveries/{delivery['id']}"), 200)["attempts"]
        self.assertIn("certificate", attempt["detail"])
        self.assertEqual(endpoint.calls, [])

    def test_versions_before_1_2_are_refused(self):
        endpoint, hook = self.tls_hook(self.trusted, ssl.TLSVersion.TLSv1_1)
        self.assertEqual(self.version_of(endpoint), "TLSv1.1")
        said = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
        self.assertEqual((said["delivered"], said["status"]), (False, None))
        self.assertIn("tls", said["error"])
        self.assertEqual(endpoint.calls, [])
        endpoint, hook = self.tls_hook(self.trusted, ssl.TLSVersion.TLSv1_2)
        said = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
        self.assertEqual((said["delivered"], said["status"]), (True, 200))

    def version_of(self, endpoint):
        """What a client that would take anything gets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        take_any_version(context)
        with socket.create_connection(("127.0.0.1", endpoint.server.server_port)) as plain:
            with context.wrap_socket(plain) as secure:
                return secure.version()

    def test_an_authority_of_ones_own_stands_in_for_the_systems(self):
        """Without --tls-ca-file nobody has heard of it."""
        usher = self.own_usher().start()
        self.api = usher.client()
        self.addCleanup(self.api.close)
        endpoint, hook = self.tls_hook(self.trusted)
        said = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
        self.assertEqual((said["delivered"], said["status"]), (False, None))
        self.assertIn("certificate", said["error"])
        self.assertEqual(endpoint.calls, [])
        self.assertEqual(usher.stop(), 0)

    def served(self, usher):
        """The certificate that a new connection is shown."""
        port = int(usher.base.rsplit(":", 1)[1])
        return ssl.get_server_certificate(("127.0.0.1", port)).strip()

    def test_the_api_takes_up_a_new_certificate_when_told_to(self):
        usher = self.own_usher((*self.options, "--tls-cert", self.serving[0],
            "--tls-key", self.serving[1])).start()
        self.assertTrue(usher.base.startswith("https://"), usher.base)

        def text(path):
            with open(path, encoding="ascii") as file:
                return file.read().strip()

        self.assertEqual(self.served(usher), text(self.trusted[0]))
        for source, target in zip(self.stranger, self.serving):
            shutil.copy(source, target)
        usher.process.send_signal(signal.SIGHUP)
        eventually("the new one", lambda: self.served(usher) == text(self.stranger[0]))

        # A broken one is refused, and the last good one stays.
        with open(self.serving[0], "w", encoding="ascii") as file:
            file.write("no certificate")
        usher.process.send_signal(signal.SIGHUP)
        eventually("the refusal", lambda: "config.refused" in usher.log())
        self.assertEqual(self.served(usher), text(self.stranger[0]))
        self.check_plain_is_refused(usher)
        self.assertEqual(usher.stop(), 0)

    def check_plain_is_refused(self, usher):
        """Who speaks no TLS gets no answer."""
        port = int(usher.base.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(4096):
                    received += piece
        self.assertNotIn(b"HTTP/1.1 200", received)
