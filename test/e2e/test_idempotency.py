# SPDX-License-Identifier: Apache-2.0
"""A POST that is repeated under its Idempotency-Key changes nothing twice and is answered alike."""
import concurrent.futures
import contextlib
import os

from harness import EVENT, HOOKS, TestCase, webinar_body


def under(key):
    return {"headers": {"idempotency-key": key}}


class Idempotency(TestCase):
    def is_replayed(self, answer):
        told = answer.headers.get("idempotency-replayed")
        self.assertIn(told, (None, "true"))
        return told is not None

    def check_again(self, first, again):
        self.assertFalse(self.is_replayed(first), first)
        self.assertTrue(self.is_replayed(again), again)
        self.assertEqual((again.status, again.body), (first.status, first.body))
        for name in ("content-type", "etag"):
            self.assertEqual(again.headers.get(name), first.headers.get(name))

    def test_a_repeated_webinar_is_one_and_told_once(self):
        hook = self.hook()
        body = webinar_body(mangoes=[self.mango(people=self.people(5))])
        first = self.api.post("/webinars", body, **under("w1"))
        self.expect(first, 201)
        self.arrived(hook, 5)
        again = [self.api.post("/webinars", body, **under("w1")) for _ in range(3)]
        for answer in again:
            self.check_again(first, answer)
        self.assertEqual(len(self.expect(self.api.get("/webinars"), 200)["data"]), 1)
        self.assertEqual(len(self.settled()), 1)
        self.arrived(hook, 5)

    def test_a_repeated_hook_shows_the_secret_that_signs(self):
        body = {"hookUrl": self.hooks.url(self.name), "event": EVENT}
        first = self.api.post(HOOKS, body, **under("h1"))
        secret = self.expect(first, 201)["secret"]
        self.check_again(first, self.api.post(HOOKS, body, **under("h1")))
        # Without the key it is a second one, which there may not be.
        self.expect_problem(self.api.post(HOOKS, body), 409)
        path = f"{HOOKS}/{first.json['id']}/rotate-secret"
        turned = self.api.post(path, {}, **under("h1"))
        self.check_again(turned, self.api.post(path, {}, **under("h1")))
        self.assertNotEqual(self.expect(turned, 200)["secret"], secret)
        hint = self.expect(self.api.get(f"{HOOKS}/{first.json['id']}"), 200)["secretHint"]
        self.assertEqual(hint[-4:], turned.json["secret"][-4:])

    def test_every_post_that_changes_something_heeds_it(self):
        mango = self.mango()
        webinar = self.webinar()["id"]
        hook = self.hook()["id"]
        person = {"name": "Ann", "email": "ann@example.com"}
        for path, body in (
                ("/mangoes", {"name": "A"}),
                ("/attendees", person),
                (f"/mangoes/{mango}/attendees", {"name": "B", "email": "b@example.com"}),
                (f"/webinars/{webinar}/attendees", {"name": "C", "email": "c@example.com"}),
                ("/consultations", {key: value for key, value in
                    webinar_body(attendee=person).items() if key != "mangoes"}),
                (f"{HOOKS}/{hook}/disable", {}),
                (f"{HOOKS}/{hook}/enable", {})):
            with self.subTest(path):
                first = self.api.post(path, body, **under("same for all"))
                self.assertIn(first.status, (200, 201), first)
                self.check_again(first, self.api.post(path, body, **under("same for all")))
        self.assertEqual(len(self.expect(self.api.get("/attendees"), 200)["data"]), 3)

    def test_another_body_is_refused_and_changes_nothing(self):
        self.expect(self.api.post("/mangoes", {"name": "A"}, **under("k")), 201)
        problem = self.expect_problem(self.api.post("/mangoes", {"name": "B"}, **under("k")), 422)
        self.assertIn("new key", problem["detail"])
        names = [mango["name"] for mango in self.expect(self.api.get("/mangoes"), 200)["data"]]
        self.assertEqual(names, ["A"])

    def test_a_refusal_may_be_mended_under_its_key(self):
        self.expect_problem(self.api.post("/mangoes", {"nmae": "A"}, **under("k")), 422)
        first = self.api.post("/mangoes", {"name": "A"}, **under("k"))
        self.expect(first, 201)
        self.check_again(first, self.api.post("/mangoes", {"name": "A"}, **under("k")))

    def test_a_key_belongs_to_an_account_and_a_path(self):
        other = self.account(self.name + "-other")
        for api, path in ((self.api, "/mangoes"), (other, "/mangoes")):
            answer = api.post(path, {"name": "A"}, **under("k"))
            self.expect(answer, 201)
            self.assertFalse(self.is_replayed(answer))
        self.assertEqual(len(self.expect(other.get("/mangoes"), 200)["data"]), 1)

    def test_a_bad_key_is_refused(self):
        for key in ("", "x" * 256, "caf\xe9", "tab\there"):
            with self.subTest(key=key):
                problem = self.expect_problem(
                    self.api.post("/mangoes", {"name": "A"}, **under(key)), 400)
                self.assertIn("255", problem["detail"])
        self.expect(self.api.post("/mangoes", {"name": "A"}, **under("~" * 255)), 201)
        self.assertEqual(len(self.expect(self.api.get("/mangoes"), 200)["data"]), 1)

    def test_where_it_means_nothing_it_is_passed_over(self):
        mango = self.mango()
        for name in ("B", "C"):
            answer = self.api.patch(f"/mangoes/{mango}", {"name": name}, **under("k"))
            self.assertEqual(self.expect(answer, 200)["name"], name)
        for count in (1, 2):
            answer = self.api.put(f"/mangoes/{mango}/attendees",
                f'{{"name":"A","email":"a{count}@example.com"}}\n'.encode(),
                "application/x-ndjson", **under("k"))
            self.assertEqual(self.expect(answer, 200)["created"], 1)
        hook = self.hook()
        for _ in range(2):
            answer = self.api.post(f"{HOOKS}/{hook['id']}/test", **under("k"))
            self.assertFalse(self.is_replayed(answer))
        self.arrived(hook, 2)
        for _ in range(2):
            self.expect(self.api.get("/mangoes", **under("x" * 300)), 200)

    def test_twins_at_the_same_time_make_one(self):
        """On several connections, and so on several loops."""
        clients = [self.account(self.name) for _ in range(6)]
        rounds = 40
        with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
            for number in range(rounds):
                answers = list(pool.map(lambda client, number=number: client.post("/mangoes",
                    {"name": f"m{number}"}, **under(f"round {number}")), clients))
                self.assertEqual({(answer.status, answer.body) for answer in answers},
                    {(201, answers[0].body)})
                self.assertEqual(sum(not self.is_replayed(answer) for answer in answers), 1)
        mangoes = self.expect(self.api.get("/mangoes?limit=250"), 200)["data"]
        self.assertEqual(len(mangoes), rounds)


class Kept(TestCase):
    def test_an_answer_outlives_a_kill_and_lies_nowhere_in_clear(self):
        usher = self.own_usher().start()
        key = usher.key()
        body = {"hookUrl": self.hooks.url(self.name), "event": EVENT}
        with contextlib.closing(usher.client()) as api:
            first = api.post(HOOKS, body, **under("k"))
        secret = self.expect(first, 201)["secret"]
        usher.kill()
        usher.start()
        with contextlib.closing(usher.client()) as api:
            again = api.post(HOOKS, body, **under("k"))
        self.assertEqual((again.status, again.body), (201, first.body))
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        self.assertEqual(usher.stop(), 0)
        folder = os.path.dirname(usher.database)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            self.assertNotIn(secret.removeprefix("whsec_").encode(), content, name)
            self.assertNotIn(key.encode(), content, name)
