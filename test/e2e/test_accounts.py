# SPDX-License-Identifier: Apache-2.0
"""Accounts and their keys, as somebody with an admin key makes and deletes them."""
import sqlite3

from harness import HOOKS, Client, Reply, TestCase, eventually


class Accounts(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done = cls.usher.command("key", "create", "--admin", "--name", "the operator", "--db",
            cls.usher.database)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.admin = Client(cls.usher.base, done.stdout.strip())
        cls.addClassCleanup(cls.admin.close)

    def make(self, **fields):
        """An account, and a client with a key of it."""
        account = self.expect(self.admin.post("/accounts", {"name": self.name + "-own", **fields}),
            201)
        made = self.expect(self.admin.post(f"/accounts/{account['id']}/keys"), 201)
        client = Client(self.usher.base, made["key"])
        self.addCleanup(client.close)
        return account, client, made

    def test_an_admin_makes_an_account_that_works(self):
        account, api, _ = self.make()
        hook = self.hook(api=api)
        self.webinar(api=api, mangoes=[self.mango(api=api, people=self.people(3))])
        self.arrived(hook, 3)
        listed = self.expect(self.admin.get("/accounts?limit=250"), 200)["data"]
        self.assertEqual([each["name"] for each in listed if each["id"] == account["id"]],
            [account["name"]])
        self.assertEqual(account["rateLimit"], 1000)  # the setting's own

    def test_each_side_keeps_to_its_own(self):
        account, api, _ = self.make()
        self.expect_problem(api.get("/accounts"), 403)
        self.expect_problem(api.delete(f"/accounts/{account['id']}"), 403)
        self.expect_problem(self.admin.get(HOOKS), 403)
        self.expect_problem(self.admin.post("/mangoes", {"name": "m"}), 403)

    def test_a_deleted_key_is_refused(self):
        account, api, key = self.make()
        self.expect(api.get("/mangoes"), 200)
        path = f"/accounts/{account['id']}/keys"
        shown, = self.expect(self.admin.get(path), 200)["data"]
        self.assertNotIn("key", shown)
        self.assertEqual(shown["keyHint"], key["key"][-4:])
        self.expect(self.admin.delete(f"{path}/{key['id']}"), 204)
        self.expect_problem(api.get("/mangoes"), 401)
        self.expect_problem(self.admin.delete(f"{path}/{key['id']}"), 404)

    def test_a_rate_limit_holds_at_once(self):
        account, api, _ = self.make(rateLimit=None)
        hook = self.hook(api=api)
        mango = self.mango(api=api, people=self.people(60))
        self.expect(self.admin.patch(f"/accounts/{account['id']}", {"rateLimit": 20}), 200)
        self.webinar(api=api, mangoes=[mango])
        calls = self.arrived(hook, 60)
        # 60 at 20 a second, but for a second's worth that may come at once.
        self.assertGreater(calls[-1].at - calls[0].at, 1.5)

    def test_nothing_is_sent_for_a_deleted_account_and_its_name_is_free(self):
        account, api, _ = self.make()
        hook = self.hook(api=api, maxInFlight=1)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.05)
        self.webinar(api=api, mangoes=[self.mango(api=api, people=self.people(2000))])
        eventually("some calls", lambda: len(self.calls(hook)) >= 3)
        self.expect(self.admin.delete(f"/accounts/{account['id']}"), 204)
        count = len(self.calls(hook))
        self.expect_problem(api.get("/mangoes"), 401)
        self.expect_problem(self.admin.get(f"/accounts/{account['id']}"), 404)
        again, other, _ = self.make()
        self.assertNotEqual(again["id"], account["id"])
        self.assertEqual(self.expect(other.get("/mangoes"), 200)["data"], [])
        # While others go on.
        theirs = self.hook(api=other)
        self.webinar(api=other, mangoes=[self.mango(api=other, people=self.people(200))])
        self.arrived(theirs, 200)
        self.assertLessEqual(len(self.calls(hook)), count + 1)


class Keys(TestCase):
    def run_key(self, *arguments):
        return self.usher.command("key", *arguments, "--db", self.usher.database)

    def test_keys_are_listed_and_deleted_while_the_server_runs(self):
        key = self.usher.key(self.name)
        api = Client(self.usher.base, key)
        self.addCleanup(api.close)
        self.expect(api.get("/mangoes"), 200)
        done = self.run_key("list", "--account", self.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual(len(rows), 2)  # the newest first
        self.assertNotIn(key, done.stdout)
        self.assertEqual(rows[0][1:4], ["..." + key[-4:], self.name, "read,write,inbox"])
        self.assertEqual(rows[0][5:], ["never", "command line"])
        everybody = self.run_key("list")
        self.assertIn(rows[0][0], everybody.stdout)
        self.assertIn("\tdefault\t", everybody.stdout)

        done = self.run_key("delete", rows[0][0])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.expect_problem(api.get("/mangoes"), 401)
        self.expect(self.api.get("/mangoes"), 200)
        for wrong in ((rows[0][0],), ("nonsense",), ()):
            done = self.run_key("delete", *wrong)
            self.assertEqual(done.returncode, 2, done)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertEqual(self.run_key("list", "--account", "nobody").returncode, 2)

    def test_an_admin_key_is_of_no_account(self):
        done = self.run_key("create", "--admin", "--account", self.name)
        self.assertEqual(done.returncode, 2, done)
        done = self.run_key("create", "--admin", "--scopes", "read")
        self.assertEqual(done.returncode, 2, done)
        done = self.run_key("create", "--admin", "--name", "the operator")
        self.assertRegex(done.stdout, r"\Ausk_[A-Za-z0-9_-]{43}\n\Z")
        self.assertRegex(self.run_key("list").stdout, r"\t-\tadmin\t.*\tthe operator\n")

    def test_an_account_made_by_a_key_has_the_limit_of_the_setting(self):
        done = self.run_key("create", "--account", self.name + "-new", "--account-rate", "42")
        self.assertEqual(done.returncode, 0, done.stderr)
        with sqlite3.connect(f"file:{self.usher.database}?mode=ro", uri=True) as database:
            limits = dict(database.execute("SELECT name, rate_limit FROM account"))
        self.assertEqual(limits[self.name + "-new"], 42)
        self.assertIsNone(limits["default"])
