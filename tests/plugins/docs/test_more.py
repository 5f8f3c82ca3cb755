"""What the page shows and does not test itself."""

import io
import unittest

from potluck import Failure
from potluck.testing import Script

import howto


def app(**given):
    return Script(settings={"DOMAIN": "wiki.example.org", **given.pop("settings", {})}, **given)


class More(unittest.TestCase):
    def test_programs(self):
        with app() as host:
            host.on("app", ["app-ctl", "--version"], stdout="1.2\n")
            host.on("app", ["app-ctl", "is-installed"], exit_code=1)
            self.assertEqual(howto.app_version(), "1.2")
            self.assertFalse(howto.is_installed())
            howto.rebuild_index()
            howto.import_users("ada")
            howto.sign_in()
        index = host.runs[2]
        self.assertEqual((index.user, index.workdir), ("www-data", "/srv/app"))
        self.assertEqual(host.runs[3].input, b"ada")

    def test_services_and_files(self):
        with app(logs={"app": ["starting", "admin password: hunter2"]}) as host:
            host.service_files["app", "/data/app.conf"] = b"x = 1"
            howto.reload()
            self.assertEqual(howto.first_password(), "hunter2")
            self.assertEqual(howto.read_config(), "x = 1")
        self.assertEqual(host.calls[0][:2], ("restart", "app"))
        with app(logs={"app": ["starting"]}), self.assertRaises(Failure):
            howto.first_password()

    def test_settings_and_options(self):
        with app(settings={"BASE_PATH": "/w"}, options={"greeting": "hi"}):
            self.assertEqual(howto.address(), "https://wiki.example.org/w")
            self.assertEqual(howto.greeting(), "hi")
            self.assertTrue(howto.describe().startswith("app.example.org of recipe"))
        with app():
            self.assertEqual(howto.greeting(), "hello")
        with app(settings={"DOMAIN": "a.onion"}), self.assertRaises(Failure):
            howto.check_address()

    def test_http(self):
        for status in (200, 503):
            with app() as host:
                url = "GET https://api.example.org/releases/newest"
                host.on_http(url, status=status, json_body={"name": "1.3"})
                if status == 200:
                    self.assertEqual(howto.newest_release(), "1.3")
                else:
                    with self.assertRaisesRegex(Failure, "the releases answered 503"):
                        howto.newest_release()

    def test_secrets_and_memory(self):
        with app(secrets={"api_token": None}) as host:
            howto.make_token()
            self.assertEqual(len(host.secrets["api_token"]), 40)
            howto.make_token()
            self.assertTrue(howto.only_once())
            self.assertFalse(howto.only_once())

    def test_progress_and_failures(self):
        with app() as host:
            howto.upgrade_tables(["a", "b"])
        self.assertEqual(host.progress[1], ("tables", 1, 2))
        self.assertEqual(host.log, ["info: upgraded 2 tables"])
        with app() as host:
            host.on("app", ["app-ctl", "upgrade", "a"], exit_code=1, stderr="locked")
            with self.assertRaisesRegex(Failure, "the table a: `app-ctl` ended with code 1: locked"):
                howto.upgrade_tables(["a"])

    def test_roles(self):
        self.assertEqual(len(howto.Migrations().plan("1.4.0+6", "2.0.0+7")), 2)
        self.assertEqual(howto.Migrations().plan("2.0.0", "2.1.0"), [])
        backups, into = howto.Backups(), io.BytesIO()
        with app() as host:
            backups.produce("address.txt", into)
            backups.consume("address.txt", io.BytesIO(b"https://other/"))
            backups.before_backup()
            backups.after_backup(False)
            howto.about()
        self.assertEqual(into.getvalue(), b"https://wiki.example.org/")
        self.assertTrue(host.log[0].startswith("warning: the backup is of https://other/"))
        self.assertEqual(len(backups.plan()), 3)
