# SPDX-License-Identifier: Apache-2.0
"""What an operator sees: the state of the process, of events and of single deliveries."""
import re

from harness import Client, Reply, TestCase, eventually


class Pages(TestCase):
    def setUp(self):
        super().setUp()
        self.pages = Client(self.usher.base, prefix="")
        self.addCleanup(self.pages.close)

    def test_the_process_is_healthy_and_ready(self):
        self.assertEqual(self.pages.get("/healthz").status, 200)
        ready = self.pages.get("/readyz")
        self.assertEqual(ready.status, 200)
        self.assertIn("store", ready.body.decode())

    def test_metrics_count(self):
        def value(name):
            text = self.pages.get("/metrics").body.decode()
            return float(re.search(rf"(?m)^{name} (\S+)$", text)[1])

        before = value("usher_deliveries_delivered_total")
        hook = self.hook()
        self.webinar(mangoes=[self.mango(people=self.people(7))])
        self.arrived(hook, 7)
        self.settled()
        self.assertEqual(value("usher_deliveries_delivered_total"), before + 7)
        text = self.pages.get("/metrics").body.decode()
        for name in set(re.findall(r"(?m)^(usher_\w+) ", text)):
            self.assertIn(f"# HELP {name} ", text)
            self.assertIn(f"# TYPE {name} ", text)


class Events(TestCase):
    def test_events_are_listed_with_what_became_of_them(self):
        hook = self.hook()
        people = self.people(5)
        webinar = self.webinar(mangoes=[self.mango(people=people)])
        self.webinar(title="other")
        self.arrived(hook, 5)
        self.settled()
        listed = self.expect(self.api.get("/events"), 200)["data"]
        self.assertEqual(len(listed), 2)
        only = self.expect(self.api.get(f"/events?webinar={webinar['id']}"), 200)["data"]
        self.assertEqual([event["id"] for event in only], [webinar["event"]["id"]])
        event = self.expect(self.api.get(f"/events/{webinar['event']['id']}"), 200)
        self.assertEqual((event["type"], event["reason"], event["webinar"]),
            ("webinar.created.single", "created", webinar["id"]))
        told, = event["hooks"]
        self.assertEqual({name: told[name] for name in ("hook", "total", "delivered", "failing",
            "dead", "skipped", "superseded")}, {"hook": hook["id"], "total": 5, "delivered": 5,
            "failing": 0, "dead": 0, "skipped": 0, "superseded": 0})
        self.expect_problem(self.api.get("/events/65f400000000000000000001"), 404)

    def test_a_delivery_is_found_with_its_attempts_and_its_body(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: \
            Reply(500, b"out of coffee") if call.headers["x-usher-attempt"] == "1" else Reply()
        self.webinar(mangoes=[self.mango(people=self.people(3))])
        calls = self.arrived(hook, 6)
        self.settled()
        call = calls[0]
        delivery = self.expect(self.api.get(f"/deliveries/{call.id}"), 200)
        self.assertEqual((delivery["id"], delivery["status"]), (call.id, "delivered"))
        self.assertEqual(len(delivery["attempts"]), 2, delivery)
        self.assertEqual(sorted(attempt["status"] for attempt in delivery["attempts"]), [200, 500])
        self.assertIn("out of coffee", str(delivery["attempts"]))
        self.assertIn(call.email, str(delivery["body"]))
        self.expect_problem(self.account(self.name + "-other").get(f"/deliveries/{call.id}"), 404)
        self.expect_problem(self.api.get("/deliveries/msg_nonsense_1"), 404)

    def test_deliveries_are_listed_by_email_hook_and_event(self):
        hook = self.hook()
        webinar = self.webinar(mangoes=[self.mango(people=self.people(3))])
        calls = self.arrived(hook, 3)
        self.settled()
        wanted = {call.email: call.id for call in calls}
        for query in (f"email={calls[1].email}",
                f"hook={hook['id']}&event={webinar['event']['id']}&email={calls[1].email}"):
            found = self.expect(self.api.get(f"/deliveries?{query}"), 200)["data"]
            self.assertEqual([item["id"] for item in found], [wanted[calls[1].email]], query)

    def test_a_failure_says_what_it_was(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(drop=True)
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        eventually("a call", lambda: self.calls(hook))
        delivery_id = self.calls(hook)[0].id
        delivery = eventually("its first attempt is kept", lambda: (
            lambda found: found if found["attempts"] else None)(
                self.expect(self.api.get(f"/deliveries/{delivery_id}"), 200)))
        attempt = delivery["attempts"][0]
        self.assertIsNone(attempt["status"])
        self.assertNotIn(attempt["result"], ("delivered", "status"))
        self.assertEqual(delivery["status"], "waiting")
