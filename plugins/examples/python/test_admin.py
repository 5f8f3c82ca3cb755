"""The plugin against a scripted host: no server, and no WebAssembly."""

import unittest

from potluck import Failure, HostError, Transition
from potluck.testing import Script

from admin import CREATE, Admin

FIRST = Transition(before=None, after="1.0.0")


class AdminTest(unittest.TestCase):
    def test_the_first_deploy_creates_the_administrator(self):
        with Script(settings={"ADMIN_EMAIL": "ada@example.org"}) as host:
            Admin().after_deploy(FIRST)
            Admin().after_deploy(Transition("1.0.0", "1.1.0"))
        (run,) = host.runs
        self.assertEqual(run.argv, ["sh", "-c", CREATE, "sh", "ada@example.org"])
        self.assertEqual(host.memory, {"administrator": "ada@example.org"})
        self.assertEqual(host.log, ["info: created the administrator ada@example.org"])

    def test_what_is_missing_is_found_before_anything_changes(self):
        with Script(), self.assertRaises(Failure) as raised:
            Admin().check(FIRST)
        self.assertEqual(raised.exception.message, "the setting ADMIN_EMAIL is missing")

    def test_a_program_that_fails_is_not_remembered_as_done(self):
        with Script(settings={"ADMIN_EMAIL": "ada@example.org"}) as host:
            host.on("app", ["sh", "-c", "*", "*", "*"], exit_code=3, stderr="the database is locked\n")
            with self.assertRaisesRegex(HostError, "ended with code 3: the database is locked"):
                Admin().after_deploy(FIRST)
        self.assertEqual(host.memory, {})


if __name__ == "__main__":
    unittest.main()
