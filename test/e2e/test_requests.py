# SPDX-License-Identifier: Apache-2.0
"""What is the same for every route: who may ask and how often, what a refusal says, how objects
are changed and lists are read, and what a disk that refuses makes of it."""
import datetime
import resource

from harness import (
    EVENT, HOOKS, Client, HookServer, Reply, TestCase, eventually, webinar_body)

NOBODY = "65f400000000000000000001"


def at(text, **delta):
    """A moment of the API, moved."""
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return (moment + datetime.timedelta(**delta)).isoformat(timespec="milliseconds") + "Z"


class Requests(TestCase):
    def objects(self):
        """One of each kind: (its list, its path, a change of it)."""
        person = {"name": "Ann", "email": f"ann-{self.name}@example.com"}
        booked = {name: value for name, value in webinar_body(attendee=person).items()}
        made = {
            "/mangoes": ({"name": "A"}, {"name": "B"}),
            "/attendees": ({"name": "A", "email": f"a-{self.name}@example.com"}, {"name": "B"}),
            "/webinars": (webinar_body(), {"title": "B"}),
            "/consultations": (booked, {"title": "B"}),
            HOOKS: ({"hookUrl": self.hooks.url(self.name), "event": EVENT}, {"description": "B"}),
        }
        for path, (body, change) in made.items():
            yield path, f"{path}/{self.expect(self.api.post(path, body), 201)['id']}", change

    # Who asks.

    def test_keys_are_told_apart(self):
        keys = {"none": None, "nobody's": "usk_" + "x" * 43, "no key at all": "hello",
            "empty": ""}
        details = {}
        for name, key in keys.items():
            client = Client(self.usher.base, key)
            self.addCleanup(client.close)
            answer = client.get("/mangoes")
            details[name] = self.expect_problem(answer, 401)["detail"]
            self.assertIn("www-authenticate", answer.headers)
        self.assertIn("no API key", details["none"])
        self.assertIn("not known", details["nobody's"])
        bearer = Client(self.usher.base)
        self.addCleanup(bearer.close)
        self.expect(bearer.get("/mangoes",
            headers={"authorization": f"Bearer {self.api.key}"}), 200)

    def test_nothing_of_another_account_is_there(self):
        other = self.account(self.name + "-other")
        for path, one, change in self.objects():
            with self.subTest(path):
                self.expect_problem(other.get(one), 404)
                self.expect_problem(other.patch(one, change), 404)
                self.expect_problem(other.delete(one), 404)
                self.assertEqual(self.expect(other.get(path), 200)["data"], [])
                self.expect(self.api.get(one), 200)
        mango = self.mango()
        self.expect_problem(other.post("/webinars", webinar_body(mangoes=[mango])), 422,
            "/mangoes/0")

    # What a refusal says.

    def test_every_fault_is_named_at_once(self):
        problem = self.expect_problem(self.api.post("/attendees",
            {"name": "", "email": "x", "timezone": "Mars/Base", "mangoes": ["x", NOBODY],
                "webinarID": 1}), 422, "/name", "/email", "/timezone", "/mangoes/0", "/webinarID")
        self.assertIn("faults", problem["detail"])
        for path in ("/mangoes", "/attendees", "/webinars", "/consultations", HOOKS):
            problem = self.expect_problem(self.api.post(path, {"webinarID": "x"}), 422)
            self.assertIn("/webinarID", [error["pointer"] for error in problem["errors"]])
            self.assertEqual(self.expect(self.api.get(path), 200)["data"], [])

    def test_unknown_and_doubled_parameters_are_named(self):
        for path in ("/mangoes", "/attendees", "/webinars", "/consultations", HOOKS, "/events",
                "/deliveries", "/event-types", f"/mangoes/{NOBODY}"):
            with self.subTest(path):
                problem = self.expect(self.api.get(path + "?webinarID=1"), 422)
                self.assertEqual([error["parameter"] for error in problem["errors"]],
                    ["webinarID"])
        problem = self.expect(self.api.get("/mangoes?limit=1&limit=2"), 422)
        self.assertIn("twice", problem["errors"][0]["detail"])

    def test_a_name_given_twice_is_no_json(self):
        for body in (b'{"name":"A","name":"A"}', b'{"name":"A","x":{"y":1,"y":2}}'):
            self.expect_problem(self.api.post("/mangoes", body), 400)
        self.assertEqual(self.expect(self.api.get("/mangoes"), 200)["data"], [])

    def test_other_methods_are_told_which_there_are(self):
        cases = {
            "/mangoes": {"GET", "HEAD", "POST"},
            f"/mangoes/{NOBODY}": {"GET", "HEAD", "PATCH", "DELETE"},
            f"/mangoes/{NOBODY}/attendees": {"GET", "HEAD", "POST", "PUT"},
            f"{HOOKS}/{NOBODY}/test": {"POST"},
        }
        for path, methods in cases.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
                answer = self.api.call(method, path, {})
                self.expect_problem(answer, 405)
                self.assertEqual(set(answer.headers["allow"].split(", ")), methods)

    def test_other_media_types_are_refused(self):
        mango = self.mango()
        for method, path in (("POST", "/mangoes"), ("PATCH", f"/mangoes/{mango}"),
                ("PUT", f"/mangoes/{mango}/attendees")):
            for told in ("text/html", "application/xml", "multipart/form-data; boundary=x"):
                self.expect_problem(
                    self.api.call(method, path, b"{}", content_type=told), 415)
        self.expect_problem(self.api.post("/mangoes", b"x",
            headers={"content-encoding": "gzip"}), 415)
        self.expect(self.api.patch(f"/mangoes/{mango}", {"name": "B"},
            content_type="application/merge-patch+json"), 200)

    def test_a_body_of_a_mebibyte_is_the_largest(self):
        whole = b'{"name":"A"}'.ljust(1 << 20)
        self.expect(self.api.post("/mangoes", whole), 201)
        self.expect_problem(self.api.post("/mangoes", whole + b" "), 413)
        self.expect_problem(self.api.post("/mangoes", iter([whole, b" "])), 413)

    def test_a_head_of_16_kib_is_the_largest(self):
        self.expect(self.api.get("/mangoes", headers={"x-a": "x" * 15000}), 200)
        self.expect_problem(self.api.get("/mangoes", headers={"x-a": "x" * 16384}), 431)

    def test_every_answer_says_under_which_id_it_is_known(self):
        for answer in (self.api.get("/mangoes"), self.api.get("/nowhere"),
                self.api.post("/mangoes", {}), self.api.delete("/mangoes")):
            self.assertRegex(answer.headers["x-request-id"], r"\Areq_\w+\Z")
        mine = self.api.get("/mangoes", headers={"x-request-id": "mine-1"})
        self.assertEqual(mine.headers["x-request-id"], "mine-1")

    # How objects are changed.

    def test_a_change_is_made_only_to_what_was_read(self):
        for path, one, change in self.objects():
            with self.subTest(path):
                read = self.api.get(one)
                self.expect(read, 200)
                tag = read.headers["etag"]
                self.assertRegex(tag, r'\A"[^"]+"\Z')
                changed = self.api.patch(one, change, headers={"if-match": tag})
                self.expect(changed, 200)
                self.assertNotEqual(changed.headers["etag"], tag)
                for method, body in (("PATCH", change), ("DELETE", None)):
                    self.expect_problem(
                        self.api.call(method, one, body, headers={"if-match": tag}), 412)
                self.assertEqual(self.api.get(one).headers["etag"], changed.headers["etag"])
                self.expect(self.api.delete(one,
                    headers={"if-match": f'"other", {changed.headers["etag"]}'}), 204)

    def test_the_mangoes_of_an_attendee_are_part_of_it(self):
        mangoes = [self.mango("A"), self.mango("B")]
        one = self.expect(self.api.post("/attendees",
            {"name": "A", "email": "a@example.com", "mangoes": mangoes[:1]}), 201)
        path = f"/attendees/{one['id']}"
        tag = self.api.get(path).headers["etag"]
        self.expect(self.api.patch(path, {"mangoes": mangoes}, headers={"if-match": tag}), 200)
        self.expect_problem(
            self.api.patch(path, {"mangoes": []}, headers={"if-match": tag}), 412)
        tag = self.api.get(path).headers["etag"]
        same = self.api.patch(path, {"mangoes": mangoes})
        self.assertEqual((same.status, same.headers["etag"]), (200, tag))
        self.assertEqual(self.expect(self.api.patch(path, {"mangoes": []}), 200)["mangoes"], [])

    def test_null_clears_and_what_is_not_said_stays(self):
        one = self.expect(self.api.post("/attendees", {"name": "A", "email": "a@example.com",
            "phone": "+1 5", "timezone": "Asia/Kolkata"}), 201)
        path = f"/attendees/{one['id']}"
        changed = self.expect(self.api.patch(path, {"phone": None}), 200)
        self.assertEqual((changed["phone"], changed["timezone"], changed["name"]),
            (None, "Asia/Kolkata", "A"))
        for name in ("name", "email"):
            self.expect_problem(self.api.patch(path, {name: None}), 422, f"/{name}")
        self.assertEqual(self.expect(self.api.patch(path, {}), 200), changed | {"events": []})
        mango = self.mango()
        webinar = self.webinar(mangoes=[mango])
        cleared = self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"mangoes": None}), 200)
        self.assertEqual(cleared["mangoes"], [])
        hook = self.hook(mango=mango, description="d")
        cleared = self.expect(
            self.api.patch(f"{HOOKS}/{hook['id']}", {"mango": None}), 200)
        self.assertEqual((cleared["mango"], cleared["description"]), (None, "d"))
        booked = self.expect(self.api.post("/consultations",
            webinar_body(mango=mango, attendee=one["id"])), 201)
        cleared = self.expect(
            self.api.patch(f"/consultations/{booked['id']}", {"mango": None}), 200)
        self.assertEqual((cleared["mango"], cleared["attendee"]["id"]), (None, one["id"]))

    def test_what_the_server_sets_cannot_be_set(self):
        for path, one, _ in self.objects():
            for name in ("id", "createdAt", "updatedAt"):
                with self.subTest(path, field=name):
                    value = self.expect(self.api.get(one), 200)[name]
                    self.expect_problem(self.api.patch(one, {name: value}), 422, f"/{name}")
            if path == HOOKS:
                self.expect_problem(self.api.patch(one, {"event": EVENT}), 422, "/event")

    def test_what_was_deleted_is_not_there(self):
        for path, one, change in self.objects():
            with self.subTest(path):
                self.expect(self.api.delete(one), 204)
                self.expect_problem(self.api.delete(one), 404)
                self.expect_problem(self.api.get(one), 404)
                self.expect_problem(self.api.patch(one, change), 404)

    def test_who_has_left_cannot_leave_again(self):
        mango = self.mango()
        person = self.expect(self.api.post(f"/mangoes/{mango}/attendees",
            {"name": "A", "email": "a@example.com"}), 201)
        path = f"/mangoes/{mango}/attendees/{person['id']}"
        self.expect(self.api.delete(path), 204)
        self.expect_problem(self.api.delete(path), 404)

    # How lists are read.

    def page_through(self, path, meanwhile=lambda: None):
        found, cursor = [], ""
        mark = "&" if "?" in path else "?"
        while cursor is not None:
            page = self.expect(self.api.get(f"{path}{mark}limit=2{cursor}"), 200)
            self.assertLessEqual(len(page["data"]), 2)
            found += [item["id"] for item in page["data"]]
            meanwhile()
            cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
        return found

    def test_every_list_is_paged_newest_first_and_stays_so(self):
        mango = self.mango()
        number = iter(range(1000))

        def person():
            return {"name": "A", "email": f"{next(number)}-{self.name}@example.com"}

        lists = {
            "/mangoes": lambda: ("/mangoes", {"name": "M"}),
            "/attendees": lambda: ("/attendees", person()),
            "/webinars": lambda: ("/webinars", webinar_body()),
            "/consultations": lambda: ("/consultations", webinar_body(attendee=person())),
            f"/mangoes/{mango}/attendees": lambda: (f"/mangoes/{mango}/attendees", person()),
            HOOKS: lambda: (HOOKS, {"hookUrl": self.hooks.url(f"{self.name}-{next(number)}"),
                "event": EVENT}),
        }
        for path, make in lists.items():
            with self.subTest(path):
                def one(make=make):
                    return self.expect(self.api.post(*make()), 201)["id"]

                before = self.page_through(path)
                ids = [one() for _ in range(5)]
                self.assertEqual(self.page_through(path, one), ids[::-1] + before)

    def test_a_page_has_50_unless_asked_for_1_to_250(self):
        people = self.people(251, self.name)
        mango = self.mango(people=people)
        for path in ("/attendees", f"/mangoes/{mango}/attendees"):
            for query, count in (("", 50), ("?limit=1", 1), ("?limit=250", 250)):
                page = self.expect(self.api.get(path + query), 200)
                self.assertEqual(len(page["data"]), count)
                self.assertIsInstance(page["nextCursor"], str)
            for limit in ("0", "251", "-1", "x", "", "1.5", "99999999999999999999"):
                problem = self.expect(self.api.get(f"{path}?limit={limit}"), 422)
                self.assertEqual(problem["errors"][0]["parameter"], "limit")

    def test_a_cursor_is_good_for_its_list_and_filters_alone(self):
        mangoes = [self.mango() for _ in range(3)]
        for _ in range(3):
            self.webinar(mangoes=mangoes[:2])
        filtered = f"/webinars?mango={mangoes[0]}&limit=1"
        cursor = self.expect(self.api.get(filtered), 200)["nextCursor"]
        self.assertEqual(len(self.expect(
            self.api.get(f"{filtered}&cursor={cursor}"), 200)["data"]), 1)
        self.expect(self.api.get(f"/webinars?cursor={cursor}&mango={mangoes[0]}"), 200)
        for path in (f"/webinars?cursor={cursor}", f"/mangoes?cursor={cursor}",
                f"/webinars?mango={mangoes[1]}&cursor={cursor}", "/webinars?cursor=",
                f"/webinars?mango={mangoes[0]}&cursor={cursor}x", "/webinars?cursor=abc",
                f"/webinars?mango={mangoes[0]}&after=2020-01-01T00:00:00Z&cursor={cursor}"):
            with self.subTest(path):
                problem = self.expect(self.api.get(path), 422)
                self.assertEqual(problem["errors"][0]["parameter"], "cursor")

    def test_after_is_included_and_before_is_not(self):
        for path, one, _ in list(self.objects()):
            with self.subTest(path):
                made = self.expect(self.api.get(one), 200)
                created = made["createdAt"]

                def is_in(query, path=path, made=made):
                    page = self.expect(self.api.get(f"{path}?{query}"), 200)
                    return made["id"] in [item["id"] for item in page["data"]]

                self.assertTrue(is_in(f"after={created}"))
                self.assertFalse(is_in(f"after={at(created, milliseconds=1)}"))
                self.assertFalse(is_in(f"before={created}"))
                self.assertTrue(is_in(f"before={at(created, milliseconds=1)}"))
                for query in ("after=yesterday", "before=2024-13-01T00:00:00Z", "after="):
                    self.expect(self.api.get(f"{path}?{query}"), 422)


class Limited(TestCase):
    """A server that counts; its clients do not wait."""

    options = ("--allow-private-hooks", "--request-limit", "20")

    def setUp(self):
        super().setUp()
        self.api = self.client(self.usher.key(self.name))

    def client(self, key, **options):
        client = Client(self.usher.base, key, **options)
        self.addCleanup(client.close)
        return client

    def quota(self, answer):
        return [int(answer.headers[f"ratelimit-{name}"])
            for name in ("limit", "remaining", "reset")]

    def use_up(self, client):
        """Asks until it is refused, which also takes what came back meanwhile."""
        for count in range(200):
            answer = client.get("/mangoes")
            if answer.status == 429:
                return count, answer
        raise AssertionError("200 requests passed")

    def test_a_key_has_so_many_requests_at_once(self):
        limit, remaining, reset = self.quota(self.api.get("/mangoes"))
        self.assertEqual((limit, remaining), (20, 19))
        self.assertEqual(reset, 1)
        count, refused = self.use_up(self.api)
        self.assertGreaterEqual(count, 19)
        problem = self.expect_problem(refused, 429)
        self.assertIn("20", problem["detail"])
        self.assertEqual(refused.headers["retry-after"], "1")
        self.assertEqual(self.quota(refused), [20, 0, 10])
        eventually("it may ask again", lambda: self.api.get("/mangoes").status == 200)

    def test_each_key_counts_by_itself(self):
        self.use_up(self.api)
        self.expect(self.client(self.usher.key(self.name)).get("/mangoes"), 200)
        stranger = self.client("usk_" + self.name.ljust(43, "x"))
        self.expect_problem(stranger.get("/mangoes"), 401)
        count, _ = self.use_up(stranger)
        self.assertGreaterEqual(count, 19)

    def test_an_upload_counts_as_one(self):
        mango = self.expect(self.api.post("/mangoes", {"name": "A"}), 201)["id"]
        before = self.quota(self.api.get("/mangoes"))[1]
        lines = b"".join(b'{"name":"A","email":"a%d@example.com"}\n' % i for i in range(500))
        answer = self.api.put(f"/mangoes/{mango}/attendees", lines, "application/x-ndjson")
        self.assertEqual(self.expect(answer, 200)["created"], 500)
        self.assertGreaterEqual(self.quota(answer)[1], before - 1)

    def test_pages_without_a_key_do_not_count(self):
        self.use_up(self.api)
        pages = self.client(self.api.key, prefix="")
        for path in ("/healthz", "/readyz", "/metrics"):
            for _ in range(30):
                answer = pages.get(path)
                self.assertEqual(answer.status, 200)
                self.assertNotIn("ratelimit-limit", answer.headers)


class FullDisk(TestCase):
    """Files that may not grow refuse writes as a full disk does."""

    @classmethod
    def setUpClass(cls):
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    def setUp(self):
        self.name = f"t{next(self.serial)}"
        self.usher = self.own_usher().start()
        self.api = self.usher.client()
        self.addCleanup(self.api.close)

    def fill(self, is_full):
        _, hard = resource.prlimit(self.usher.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.usher.process.pid, resource.RLIMIT_FSIZE,
            (4096 if is_full else hard, hard))

    def test_writes_are_refused_until_there_is_room_and_reads_go_on(self):
        hook = self.hook()
        mango = self.mango(people=self.people(3))
        self.fill(True)
        for method, path, body in (("POST", "/mangoes", {"name": "B"}),
                ("PATCH", f"/mangoes/{mango}", {"name": "B"}),
                ("DELETE", f"/mangoes/{mango}", None),
                ("POST", "/webinars", webinar_body(mangoes=[mango])),
                ("POST", f"{HOOKS}/{hook['id']}/disable", {})):
            with self.subTest(path, method=method):
                answer = self.api.call(method, path, body, headers={"idempotency-key": "k"})
                problem = self.expect_problem(answer, 503)
                self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                self.assertIn("not done", problem["detail"])
        answer = self.api.put(f"/mangoes/{mango}/attendees",
            b'{"name":"A","email":"a@example.com"}\n', "application/x-ndjson")
        self.expect_problem(answer, 503)
        for path in ("/mangoes", f"/mangoes/{mango}", "/webinars", f"{HOOKS}/{hook['id']}"):
            self.expect(self.api.get(path), 200)
        self.fill(False)
        answer = self.api.post("/webinars", webinar_body(mangoes=[mango]),
            headers={"idempotency-key": "k"})
        self.expect(answer, 201)
        self.assertNotIn("idempotency-replayed", answer.headers)
        self.arrived(hook, 3)
        self.settled()
        self.assertEqual(len(self.expect(self.api.get("/webinars"), 200)["data"]), 1)
        self.assertEqual(self.usher.stop(), 0)

    def test_outcomes_wait_for_room_and_nobody_is_called_twice(self):
        hook = self.hook(maxInFlight=1)
        full = []

        def answer(_):
            if not full:
                full.append(True)
                self.fill(True)  # before its outcome can be written
            return Reply()

        self.hooks.answers[hook["name"]] = answer
        self.webinar(mangoes=[self.mango(people=self.people(20))])
        eventually("outcomes cannot be written", lambda: "flush.failed" in self.usher.log())
        self.expect_problem(self.api.post("/mangoes", {"name": "B"}), 503)
        self.fill(False)
        event, = self.settled()
        self.assertEqual(event["hooks"][0]["delivered"], 20)
        self.assertEqual(len({call.email for call in self.arrived(hook, 20)}), 20)
        self.assertEqual(self.usher.stop(), 0)
