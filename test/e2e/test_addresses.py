# SPDX-License-Identifier: Apache-2.0
"""Which addresses a hook may have, however they are written and wherever a name leads by the time
of the call. Public addresses stand in answers of the name server only: nothing is sent to one."""
import collections
import socket
import struct
import threading

from harness import EVENT, HOOKS, HookServer, TestCase, eventually

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:4700:4700::1111"
TYPE_A, TYPE_CNAME, TYPE_AAAA = 1, 5, 28


class NameServer:
    """A name server in a thread: answers[name] is what a name leads to, addresses of either family,
    or another name first. What it says is not to be kept (a time to live of 0)."""

    def __init__(self):
        self.answers = {}
        self.asked = collections.Counter()  # by (name, type)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()

    def serve(self):
        while True:
            question, peer = self.socket.recvfrom(4096)
            if not question:
                return
            self.socket.sendto(self.answer(question), peer)

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("ascii"))
            at += 1 + question[at]
        name = ".".join(labels).lower()
        kind, = struct.unpack_from(">H", question, at + 1)
        self.asked[name, kind] += 1
        records = b"".join(self.records(name, kind))
        flags = 0x8580 if name in self.answers else 0x8583  # what there is, or: no such name
        return (question[:2] + struct.pack(">HHHHH", flags, 1, self.count, 0, 0)
            + question[12:at + 5] + records)

    def records(self, name, kind):
        self.count = 0
        owner = self.encode(name)
        for told in self.answers.get(name, ()):
            if told.endswith(".example"):
                given, value = TYPE_CNAME, self.encode(told)
            elif ":" in told:
                given, value = TYPE_AAAA, socket.inet_pton(socket.AF_INET6, told)
            else:
                given, value = TYPE_A, socket.inet_aton(told)
            if given in (kind, TYPE_CNAME):
                self.count += 1
                yield owner + struct.pack(">HHIH", given, 1, 0, len(value)) + value
            if given == TYPE_CNAME:
                owner = value

    @staticmethod
    def encode(name):
        return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Named(TestCase):
    """A server whose names are the test's own."""

    more_options = ()

    @classmethod
    def setUpClass(cls):
        cls.names = NameServer()
        cls.addClassCleanup(cls.names.stop)
        cls.names.answers["public.example"] = [PUBLIC, PUBLIC_V6]
        cls.names.answers["xn--bcher-kva.example"] = [PUBLIC]
        cls.options = ("--dns-server", cls.names.address, "--retry-delays", "600",
            *cls.more_options)
        super().setUpClass()

    def register(self, url, **fields):
        return self.api.post(HOOKS, dict(fields, hookUrl=url, event=EVENT))

    def attempt(self, hook):
        """The first attempt at the one delivery of a hook, once it was made."""
        found, = eventually("an attempt", lambda: [
            delivery for delivery in self.expect(
                self.api.get(f"/deliveries?hook={hook['id']}"), 200)["data"]
            if delivery["lastResult"] is not None])
        return self.expect(self.api.get(f"/deliveries/{found['id']}"), 200)["attempts"][0]


class Addresses(Named):
    """Without --allow-private-hooks."""

    def test_addresses_of_somebodys_own_network_are_refused(self):
        for host in (
            "127.0.0.1", "10.0.0.1", "192.168.1.1:8443", "169.254.169.254", "169.254.170.2",
            "[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
            "[0:0:0:0:0:FFFF:7F00:0001]", "[::127.0.0.1]", "[::]", "[64:ff9b::7f00:1]",
            "[64:ff9b::808:808]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
            "[2606:4700::5efe:127.0.0.1]", "[fd00:ec2::254]", "[ff02::1]", "localhost",
            "LOCALHOST", "localhost.", "a.localhost", "0.0.0.0", "100.64.0.1", "100.100.100.200",
            "168.63.129.16", "192.0.0.192", "198.18.0.1", "203.0.113.1", "224.0.0.1",
            "240.0.0.1", "255.255.255.255",
        ):
            with self.subTest(host=host):
                problem = self.expect_problem(
                    self.register(f"https://{host}/latest/meta-data/"), 422, "/hookUrl")
                self.assertIn("--allow-hook-cidr", str(problem))

    def test_names_that_lead_to_such_an_address_are_refused(self):
        for number, led in enumerate((["127.0.0.1"], ["::1"], ["10.1.2.3"], ["169.254.169.254"],
                ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["2002:a00:1::1"], ["fd00::1"],
                [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"],
                [PUBLIC_V6, "10.1.2.3"], ["inner.example", "127.0.0.1"],
                ["inner.example", PUBLIC, "192.168.1.1"])):
            with self.subTest(led=led):
                self.names.answers[f"n{number}.example"] = led
                problem = self.expect_problem(
                    self.register(f"https://n{number}.example/"), 422, "/hookUrl")
                self.assertIn("leads to", str(problem))
                # Where to, is for the operator alone.
                for address in led:
                    self.assertNotIn(address, str(problem))

    def test_odd_spellings_are_refused_or_mean_what_they_say(self):
        """Each of these reaches this machine, or a stranger, in some program."""
        for spelling in (
            "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/",
            "https://017700000001/", "https://127.1/", "https://127.0.1/", "https://127.0.0.01/",
            "https://127.0.0.1./", "https://0/", "https://127.0.0.256/", "https://4294967297/",
            "https://127%2e0%2e0%2e1/", "https://%6cocalhost/", "https://127.0.0.1%00.example/",
            "https://127\u30020\u30020\u30021/", "https://127\uff0e0\uff0e0\uff0e1/",
            "https://127\uff610\uff610\uff611/", "https://\uff11\uff12\uff17.0.0.1/",
            "https://\u2460.0.0.1/", "https://local\u00adhost/", "https://b\u00fccher.example/",
            "https:\\\\127.0.0.1/", "https://public.example\\@127.0.0.1/",
            "https://public.example#@127.0.0.1/", "https://public.example\t.local/",
            "https://public.example\r\n.local/", "https://public.example /", " https://127.0.0.1/",
            "https://[fe80::1%25eth0]/", "https://[::1%lo]/", "https://[127.0.0.1]/",
            "https://[::ffff:127.1]/", "https://::1/", "https:127.0.0.1/", "https:/127.0.0.1/",
            "//127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/", "unix:/run/x",
            # What stands before the @ is no host.
            "https://public.example@127.0.0.1/", "https://public.example:443@127.0.0.1/",
            "https://public.example%2f@[::1]/", "https://a@public.example@127.0.0.1/",
        ):
            with self.subTest(spelling=spelling):
                self.expect_problem(self.register(spelling), 422, "/hookUrl")
        for spelling, shown in (
            (f"https://{PUBLIC}/1", f"https://{PUBLIC}/1"),
            (f"https://[::ffff:{PUBLIC}]/1", f"https://[::ffff:{PUBLIC}]/1"),
            (f"https://[{PUBLIC_V6.upper()}]:8443/1", f"https://[{PUBLIC_V6}]:8443/1"),
            ("HTTPS://Public.EXAMPLE./1", "https://public.example/1"),
            ("https://public.example:443/2", "https://public.example/2"),
            ("https://127.0.0.1@public.example/3", "https://public.example/3"),
            ("https://127.0.0.1:80@public.example/4", "https://public.example/4"),
            ("https://xn--bcher-kva.example/1", "https://xn--bcher-kva.example/1"),
        ):
            with self.subTest(spelling=spelling):
                self.assertEqual(
                    self.expect(self.register(spelling), 201)["hookUrl"], shown)

    def test_a_change_is_judged_as_a_new_hook_is(self):
        hook = self.expect(self.register("https://public.example/change"), 201)
        for url in ("https://127.0.0.1/", "https://0x7f.1/", "http://public.example/"):
            self.expect_problem(
                self.api.patch(f"{HOOKS}/{hook['id']}", {"hookUrl": url}), 422, "/hookUrl")

    def test_plain_http_is_refused(self):
        problem = self.expect_problem(
            self.register(f"http://{PUBLIC}/hook"), 422, "/hookUrl")
        self.assertIn("--allow-http-hooks", str(problem))

    def test_what_is_no_address_is_refused(self):
        for url in ("", "/hook", "https://", "https:///x", "https://exa mple.com/",
                "https://example.com/" + "x" * 2048, "https://example.com:0/", "javascript:x", 7,
                "https://example.com:99999/", "https://example.com/\n"):
            with self.subTest(url=url):
                self.expect_problem(self.register(url), 422, "/hookUrl")

    def test_a_name_that_is_not_there_is_refused(self):
        problem = self.expect_problem(
            self.register("https://nowhere.example/"), 422, "/hookUrl")
        self.assertIn("nowhere.example", str(problem))


class Rebinding(Named):
    """Names that led elsewhere when the hook was made. http, so that whoever were reached would
    have the whole request."""

    more_options = ("--allow-http-hooks",)

    turned = (["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"], [PUBLIC_V6, "127.0.0.1"], ["localhost.example", "127.0.0.1"])

    def test_a_name_that_turns_inward_is_not_called(self):
        hooks = []
        for number, led in enumerate(self.turned):
            name = f"turns{number}.example"
            self.names.answers[name] = [PUBLIC]
            hooks.append(self.expect(self.register(f"http://{name}:{self.hooks.port}/turned"), 201))
            self.names.answers[name] = led
        before = self.hooks.connections.total
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        for hook, led in zip(hooks, self.turned):
            with self.subTest(led=led):
                attempt = self.attempt(hook)
                self.assertEqual((attempt["result"], attempt["status"], attempt["detail"]),
                    ("denied", None, "loopback"))
                said = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
                self.assertEqual((said["delivered"], said["status"]), (False, None))
                self.assertIn("denied", str(said))
        self.assertEqual(self.hooks.connections.total, before)
        self.assertEqual(self.hooks.calls["turned"], [])


class OneLookUp(Named):
    """Where one address of this machine is open."""

    more_options = ("--allow-hook-cidr", "127.0.0.1")

    def test_the_addresses_that_were_judged_are_those_that_are_called(self):
        """Nobody looks the name up a second time, between judgement and connection."""
        self.names.answers["once.example"] = ["127.0.0.1"]
        self.expect(self.register(f"http://once.example:{self.hooks.port}/once"), 201)
        self.names.asked.clear()
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        eventually("the call", lambda: self.hooks.calls["once"])
        self.settled()
        self.assertEqual(self.names.asked,
            {("once.example", TYPE_A): 1, ("once.example", TYPE_AAAA): 1})
        # A Host field names the hook's own host and port, wherever that leads.
        self.assertEqual(self.hooks.calls["once"][0].headers["host"],
            f"once.example:{self.hooks.port}")

    def test_all_else_stays_closed(self):
        self.expect_problem(self.register("https://127.0.0.2/"), 422, "/hookUrl")
        self.expect_problem(self.register("https://10.0.0.1/"), 422, "/hookUrl")


class AddressesByRange(TestCase):
    options = ("--allow-hook-cidr", "127.0.0.0/8")

    def test_a_range_can_be_opened(self):
        hook = self.hook()
        webinar = self.webinar()
        self.expect(self.api.post(f"/webinars/{webinar['id']}/attendees",
            {"name": "A", "email": "a@example.com"}), 201)
        self.arrived(hook, 1)
        self.expect_problem(self.api.post(HOOKS,
            {"hookUrl": "https://10.0.0.1/", "event": EVENT}), 422, "/hookUrl")


class Proxies(TestCase):
    """What other programs take for a proxy is not asked: it would be called in a hook's place."""

    @classmethod
    def setUpClass(cls):
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    def setUp(self):
        self.name = f"t{next(self.serial)}"

    def test_the_environments_proxies_are_passed_over(self):
        proxy = HookServer()
        self.addCleanup(proxy.stop)
        names = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
        environment = {name: f"http://127.0.0.1:{proxy.port}"
            for name in (*names, *map(str.upper, names))}
        environment.update({"no_proxy": "", "NO_PROXY": ""})
        usher = self.own_usher(environment=environment).start()
        self.api = usher.client()
        self.addCleanup(self.api.close)
        hook = self.hook()
        self.webinar(mangoes=[self.mango(people=self.people(3))])
        for call in self.arrived(hook, 3):
            self.assertEqual(call.headers["host"], f"127.0.0.1:{self.hooks.port}")
        self.settled()
        self.assertEqual(proxy.connections.total, 0)
        self.assertEqual(usher.stop(), 0)
