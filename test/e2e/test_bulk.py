# SPDX-License-Identifier: Apache-2.0
"""Bulk uploads: NDJSON and CSV, all or nothing, streamed."""
import json
import time

from harness import HOOKS, EVENT, PatientClient, Settings, TestCase, eventually

NDJSON = "application/x-ndjson"
CSV = "text/csv"


class Bulk(TestCase):
    def setUp(self):
        super().setUp()
        self.mango_id = self.mango()
        self.path = f"/mangoes/{self.mango_id}/attendees"

    def put(self, body, content_type, query=""):
        return self.api.put(self.path + query, body, content_type)

    def listed(self, path=None):
        found = self.expect(self.api.get((path or self.path) + "?limit=250"), 200)["data"]
        return {person["email"]: person for person in found}

    def test_lines_add_and_update_and_remove_nobody(self):
        people = self.people(3)
        lines = "\n".join(json.dumps(person) for person in people).encode()  # no last line end
        first = self.expect(self.put(lines, NDJSON), 200)
        self.assertEqual((first["created"], first["updated"], first["unchanged"]), (3, 0, 0))
        people[0]["name"] = "Renamed"
        second = self.expect(self.put(
            (json.dumps(people[0]) + "\r\n\n" + json.dumps(people[1]) + "\n").encode(), NDJSON),
            200)
        self.assertEqual((second["created"], second["updated"], second["unchanged"]), (0, 1, 1))
        listed = self.listed()
        self.assertEqual(len(listed), 3)
        self.assertEqual(listed["p0@example.com"]["name"], "Renamed")

    def test_a_csv_may_come_from_anywhere(self):
        for body in (
            b"name,email,phone,timezone\nA,a@example.com,+911,Asia/Kolkata\n",
            b"\xef\xbb\xbfname,email,phone,timezone\r\nA,a@example.com,+911,Asia/Kolkata\r\n",
            b"timezone;phone;email;name\nAsia/Kolkata;+911;a@example.com;A",
            b'"email","name","phone","timezone"\n"a@example.com","A","+911","Asia/Kolkata"\n',
        ):
            with self.subTest(body=body):
                answer = self.expect(self.put(body, CSV), 200)
                self.assertEqual(sum(answer[name] for name in ("created", "unchanged")), 1)
                person = self.listed()["a@example.com"]
                self.assertEqual((person["name"], person["phone"], person["timezone"]),
                    ("A", "+911", "Asia/Kolkata"))
        quoted = 'name,email\n"Doe, ""Jo""","jo@example.com"\n'.encode()
        self.expect(self.put(quoted, CSV), 200)
        self.assertEqual(self.listed()["jo@example.com"]["name"], 'Doe, "Jo"')

    FAULTY = ('{"name":"A","email":"a@example.com"}\n'
        '{"name":"B","email":"no address"}\n'
        'not json\n'
        '{"name":"C","email":"c@example.com","timezone":"Mars/Olympus"}\n'
        '{"name":"D","email":"d@example.com"}\n').encode()

    def test_one_fault_and_nothing_is_applied(self):
        problem = self.expect_problem(self.put(self.FAULTY, NDJSON), 422)
        said = json.dumps(problem["errors"])
        self.assertEqual(len(problem["errors"]), 3, said)
        for line in (2, 3, 4):
            self.assertTrue(any(self.names_line(error, line) for error in problem["errors"]),
                f"line {line} in {said}")
        self.assertEqual(self.listed(), {})
        self.assertEqual(self.expect(self.api.get("/attendees"), 200)["data"], [])

    @staticmethod
    def names_line(error, line):
        return (error["pointer"] + "/").startswith(f"/lines/{line}/")

    def test_the_first_hundred_faults_are_named(self):
        problem = self.expect_problem(self.put(b"{}\n" * 500, NDJSON), 422)
        self.assertEqual(len(problem["errors"]), 100)

    def test_on_error_skip_takes_the_good_ones(self):
        answer = self.expect(self.put(self.FAULTY, NDJSON, "?onError=skip"), 200)
        self.assertEqual((answer["created"], answer["skipped"]), (2, 3))
        self.assertEqual(set(self.listed()), {"a@example.com", "d@example.com"})

    def test_a_dry_run_only_checks(self):
        self.expect_problem(self.put(self.FAULTY, NDJSON, "?dryRun=true"), 422)
        good = b'{"name":"A","email":"a@example.com"}\n'
        answer = self.expect(self.put(good, NDJSON, "?dryRun=true"), 200)
        self.assertEqual(answer["created"], 1)
        self.assertEqual(self.listed(), {})

    def test_a_csv_names_its_faulty_lines(self):
        body = b'name,email\nA,a@example.com\nB,nowhere\n"C\nC",c@example.com\nD,nowhere\n'
        problem = self.expect_problem(self.put(body, CSV), 422)
        self.assertTrue(any(self.names_line(error, 3) for error in problem["errors"]), problem)
        self.assertEqual(self.listed(), {})
        for header in (b"name\nA\n", b"name,email,shoe\nA,a@example.com,42\n", b""):
            self.expect_problem(self.put(header, CSV), 422)

    def test_a_bulk_tells_each_new_one_and_only_those(self):
        hook = self.hook()
        webinar = self.webinar()
        path = f"/webinars/{webinar['id']}/attendees"
        answer = self.import_people(path, self.people(20))
        self.assertEqual(len(answer["events"]), 1)
        self.assertEqual({call.reason for call in self.arrived(hook, 20)}, {"registered"})
        self.import_people(path, self.people(25))
        calls = self.arrived(hook, 25)[20:]
        self.assertCountEqual([call.email for call in calls],
            [f"p{i}@example.com" for i in range(20, 25)])

    def test_notify_false_sends_nothing(self):
        hook = self.hook()
        webinar = self.webinar()
        path = f"/webinars/{webinar['id']}/attendees"
        lines = "".join(json.dumps(person) + "\n" for person in self.people(5)).encode()
        answer = self.expect(self.api.put(path + "?notify=false", lines, NDJSON), 200)
        self.assertEqual((answer["created"], answer["events"]), (5, []))
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "Now"}), 200)
        self.assertEqual({call.title for call in self.arrived(hook, 5)}, {"Now"})

    def test_the_same_person_twice_in_a_file_is_one(self):
        hook = self.hook()
        self.webinar(mangoes=[self.mango_id])
        lines = (b'{"name":"A","email":"a@example.com"}\n'
            b'{"name":"B","email":" A@Example.COM "}\n')
        self.expect(self.put(lines, NDJSON), 200)
        self.assertEqual(len(self.listed()), 1)
        self.arrived(hook, 1)

    def test_what_is_no_bulk_is_refused(self):
        self.expect_problem(self.put(b"{}", "application/json"), 415)
        self.expect_problem(self.put(b"\xff\n", NDJSON), 422)
        self.expect_problem(self.put(b"{}", NDJSON, "?onerror=skip"), 422)
        self.expect_problem(self.put(b"{}", NDJSON, "?onError=maybe"), 422)
        self.expect_problem(self.api.put(
            "/mangoes/65f400000000000000000077/attendees", b"", NDJSON), 404)
        long_line = b'{"name":"' + b"x" * 2_000_000 + b'","email":"a@example.com"}\n'
        self.assertIn(self.put(long_line, NDJSON).status, (413, 422))
        self.assertEqual(self.listed(), {})

    def test_deliveries_go_on_during_an_import(self):
        hook = self.hook()
        small = self.mango(people=self.people(1, "small"))

        def lines():
            for start in range(0, 20000, 1000):
                yield "".join(json.dumps({"name": "N", "email": f"n{i}@example.com"}) + "\n"
                    for i in range(start, start + 1000)).encode()
                if start == 10000:
                    self.webinar(api=other, mangoes=[small])
                    self.arrived(hook, 1)

        other = PatientClient(self.usher.base, self.api.key)
        self.addCleanup(other.close)
        answer = self.expect(self.put(lines(), NDJSON), 200)
        self.assertEqual(answer["created"], 20000)

    def test_an_upload_that_breaks_off_leaves_nothing(self):
        def lines():
            yield b'{"name":"A","email":"a@example.com"}\n'
            raise KeyboardInterrupt

        other = PatientClient(self.usher.base, self.api.key)
        try:
            other.put(self.path, lines(), NDJSON)
        except KeyboardInterrupt:
            other.close()
        self.expect(self.put(b'{"name":"B","email":"b@example.com"}\n', NDJSON), 200)
        self.assertEqual(set(self.listed()), {"b@example.com"})


class Memory(TestCase):
    """Measured without a sanitizer, whose shadow would be counted."""

    UPLOAD_BYTES = 300_000_000
    GROWTH_BYTES_MAX = 64_000_000

    @classmethod
    def setUpClass(cls):
        pass

    def test_300_megabytes_do_not_grow_memory(self):
        self.usher = self.own_usher(binary=Settings.plain).start()
        self.api = PatientClient(self.usher.base, self.usher.key("default"), timeout=300)
        self.addCleanup(self.api.close)
        mango = self.mango()
        self.expect(self.api.post(HOOKS,
            {"hookUrl": "http://127.0.0.1:9/", "event": EVENT}), 201)
        before = self.usher.resident_bytes()
        most = [before]
        # As big as a line may be, so that it is the upload that is large and not the database.
        filler = " " * 16000
        count = self.UPLOAD_BYTES // (len(filler) + 50)

        def lines():
            for i in range(count):
                yield f'{{"name":"N",{filler}"email":"n{i}@example.com"}}\n'.encode()
                if i % 100 == 0:
                    most[0] = max(most[0], self.usher.resident_bytes())

        started = time.monotonic()
        answer = self.expect(self.api.put(f"/mangoes/{mango}/attendees", lines(), NDJSON), 200)
        most[0] = max(most[0], self.usher.resident_bytes())
        print(f"        {self.UPLOAD_BYTES / 1e6 / (time.monotonic() - started):.0f} MB/s, "
            f"{before / 1e6:.0f} MB before, {most[0] / 1e6:.0f} MB at most")
        self.assertEqual(answer["created"], count)
        self.assertLess(most[0] - before, self.GROWTH_BYTES_MAX)
        eventually("it is idle", lambda: self.usher.resident_bytes() < before + 64_000_000)
        self.assertEqual(self.usher.stop(), 0)

    def setUp(self):
        self.name = "memory"
