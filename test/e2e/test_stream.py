# SPDX-License-Identifier: Apache-2.0
"""GET /stream: progress as it is made, read as a dashboard reads it."""
import http.client
import json
import urllib.parse

from harness import API, PATIENCE, HOOKS, Reply, TestCase, eventually


class Stream:
    """A reader of server-sent events; last_id is what it would come back with."""

    def __init__(self, usher, key, query="", last_id=None):
        url = urllib.parse.urlsplit(usher.base)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
        fields = {"x-api-key": key, "accept": "text/event-stream"}
        if last_id is not None:
            fields["last-event-id"] = last_id
        self.connection.request("GET", f"{API}/stream{query}", headers=fields)
        self.response = self.connection.getresponse()
        self.last_id = last_id
        self.ids = []

    def next(self):
        """The next event's data; None when the stream has ended well."""
        data = []
        while True:
            line = self.response.readline()
            if line == b"":
                return None
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                self.last_id = value
                self.ids.append(tuple(int(part) for part in value.split("-")))
            elif name == "data":
                data.append(value)
            elif name == "" and data:
                return json.loads("\n".join(data))

    def until(self, condition):
        """All events up to the first for which it is true."""
        events = [self.next()]
        while not condition(events[-1]):
            events.append(self.next())
        return events

    def close(self):
        self.response.close()
        self.connection.close()


class Streams(TestCase):
    def stream(self, api=None, usher=None, **options):
        stream = Stream(usher or self.usher, (api or self.api).key, **options)
        self.addCleanup(stream.close)
        self.assertEqual(stream.response.status, 200, stream.response.msg)
        self.assertEqual(stream.response.getheader("content-type"), "text/event-stream")
        return stream

    def test_an_event_is_seen_from_its_beginning_to_its_end(self):
        hook = self.hook()
        mango = self.mango(people=self.people(2000))
        stream = self.stream()
        webinar = self.webinar(mangoes=[mango])
        seen = stream.until(lambda event: event["status"] == "done")
        for event in seen:
            self.assertEqual((event["event"], event["hook"], event["total"]),
                (webinar["event"]["id"], hook["id"], 2000))
        self.assertGreater(len(seen), 1)
        delivered = [event["delivered"] for event in seen]
        self.assertEqual(delivered, sorted(delivered))
        self.assertEqual(delivered[-1], 2000)
        self.assertEqual(stream.ids, sorted(set(stream.ids)))
        # It is what the event says of itself.
        shown, = self.expect(self.api.get(f"/events/{webinar['event']['id']}"), 200)["hooks"]
        self.assertEqual({**shown, "event": seen[-1]["event"]}, seen[-1])
        self.arrived(hook, 2000)

    def test_who_was_cut_off_comes_back_and_sees_the_end(self):
        hook = self.hook(maxInFlight=1)
        stream = self.stream()
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.02)
        self.webinar(mangoes=[self.mango(people=self.people(100))])
        stream.until(lambda event: event["delivered"] > 0)
        stream.close()
        self.arrived(hook, 100)
        self.settled()
        back = self.stream(last_id=stream.last_id)
        last = back.next()
        self.assertEqual((last["status"], last["delivered"]), ("done", 100))
        self.assertGreater(back.ids[0], stream.ids[-1])
        # And only that: the next that comes is new.
        other = self.webinar(mangoes=[self.mango(people=self.people(1, "late"))])
        self.assertEqual(back.next()["event"], other["event"]["id"])

    def test_a_server_that_was_killed_goes_on_where_it_was(self):
        usher = self.own_usher()
        usher.start()
        api = usher.client(self.name)
        hook = self.hook(api=api, maxInFlight=1)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.01)
        stream = self.stream(api, usher)
        self.webinar(api=api, mangoes=[self.mango(api=api, people=self.people(150))])
        stream.until(lambda event: event["delivered"] > 0)
        usher.kill()
        stream.close()
        usher.start()
        back = self.stream(api, usher, last_id=stream.last_id)
        seen = back.until(lambda event: event["status"] == "done")
        self.assertEqual(seen[-1]["delivered"], 150)
        self.assertGreater(back.ids[0], stream.ids[-1])
        self.assertEqual(usher.stop(), 0)
        api.close()

    def test_two_accounts_see_their_own(self):
        other_api = self.account(self.name + "-other")
        one, two = self.stream(), self.stream(other_api)
        told = []
        for api in (self.api, other_api):
            self.hook(api=api)
            told.append(self.webinar(api=api,
                mangoes=[self.mango(api=api, people=self.people(50))])["event"]["id"])
        for stream, event_id in ((one, told[0]), (two, told[1])):
            seen = stream.until(lambda event: event["status"] == "done")
            self.assertEqual({event["event"] for event in seen}, {event_id})
        # A third one, later, has nothing open to be told of but what comes from now on.
        third = self.stream()
        again = self.webinar(mangoes=[self.mango(people=self.people(3, "again"))])
        self.assertEqual(third.next()["event"], again["event"]["id"])

    def test_a_stream_of_one_hook_or_of_one_event(self):
        first, second = self.hook(), self.hook()
        one = self.stream(query=f"?hook={second['id']}")
        webinar = self.webinar(mangoes=[self.mango(people=self.people(20))])
        self.settled()
        event = self.stream(query=f"?event={webinar['event']['id']}", last_id="0-0")
        self.assertEqual(one.until(lambda event: event["status"] == "done")[-1]["hook"],
            second["id"])
        self.assertEqual({event.next()["hook"], event.next()["hook"]},
            {first["id"], second["id"]})

    def test_what_is_cancelled_is_told(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(503)
        webinar = self.webinar(mangoes=[self.mango(people=self.people(3))])
        stream = self.stream()
        stream.until(lambda event: event["failing"] > 0 or event["status"] == "sending")
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)
        stream.until(lambda event: event["status"] == "cancelled")
        other = self.webinar(mangoes=[self.mango(people=self.people(3, "other"))])
        self.expect(self.api.delete(f"{HOOKS}/{hook['id']}"), 204)
        seen = stream.until(lambda event: event["status"] == "cancelled")
        self.assertEqual(seen[-1]["event"], other["event"]["id"])

    def test_a_server_that_stops_ends_its_streams_well(self):
        usher = self.own_usher()
        usher.start()
        api = usher.client(self.name)
        streams = [self.stream(api, usher) for _ in range(3)]
        self.assertEqual(usher.stop(), 0)
        for stream in streams:
            self.assertIsNone(stream.next())  # cut off, it would be an IncompleteRead
        api.close()

    def test_what_is_wrong_is_told(self):
        for query, names in (("key=usk_x", ["key"]), ("event=x&hook=y", ["event", "hook"])):
            problem = self.expect_problem(self.api.get(f"/stream?{query}"), 422)
            self.assertEqual([error["parameter"] for error in problem["errors"]], names)
        answer = self.api.get("/stream", headers={"last-event-id": "yesterday"})
        self.expect_problem(answer, 400)
        self.expect_problem(self.api.get("/stream", headers={"x-api-key": None}), 401)
        self.assertEqual(self.api.call("HEAD", "/stream").status, 200)

    def test_an_account_has_so_many(self):
        streams = [self.stream() for _ in range(8)]
        answer = Stream(self.usher, self.api.key)
        self.addCleanup(answer.close)
        self.assertEqual(answer.response.status, 429)
        self.assertIsNotNone(answer.response.getheader("retry-after"))
        self.stream(self.account(self.name + "-other"))
        streams[0].close()

        def there_is_room():
            fresh = Stream(self.usher, self.api.key)
            self.addCleanup(fresh.close)
            return fresh.response.status == 200

        eventually("there is room again", there_is_room)
