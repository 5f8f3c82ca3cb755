"""The package itself, natively."""

import inspect
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

import potluck
from potluck import Failure, HostError, Lifecycle, Secret, command, roles
from potluck.testing import Script

import every_role


class RolesTest(unittest.TestCase):
    def test_a_module_plays_the_roles_of_its_classes(self):
        played = roles.played(every_role)
        self.assertEqual(set(played), {base.role for base in roles.BASES})
        self.assertIs(played["backup"], every_role.Save)

    def test_two_classes_for_one_role_are_refused(self):
        module = types.ModuleType("two")
        module.One = type("One", (Lifecycle,), {})
        module.Two = type("Two", (Lifecycle,), {})
        with self.assertRaisesRegex(ValueError, "lifecycle: One and Two"):
            roles.played(module)
        # A base of the other is not the plugin itself.
        module.Two = type("Two", (module.One,), {})
        self.assertIs(roles.played(module)["lifecycle"], module.Two)

    def test_a_command_is_described_by_its_function(self):
        @command
        def set_password(user, password: Secret, length="12"):
            """Sets a password.

            user: whose
            """

        spec = set_password.potluck_command
        self.assertEqual((spec.name, spec.help), ("set-password", "Sets a password."))
        told = [(p.name, p.help, p.required, p.secret) for p in spec.parameters]
        self.assertEqual(
            told,
            [
                ("user", "whose", True, False),
                ("password", "", True, True),
                ("length", "", False, False),
            ],
        )


    def test_a_command_takes_a_fixed_list_of_parameters(self):
        with self.assertRaisesRegex(TypeError, r"`occ` takes `\*more`, .* a fixed list"):

            @command
            def occ(*more):
                pass

        with self.assertRaisesRegex(TypeError, "`show` takes `limit=3`"):

            @command
            def show(*, limit=3):
                pass

    def test_a_wrong_number_of_arguments_is_told_how_the_command_is_used(self):
        @command
        def set_role(user, role, until=""):
            return f"{user} {role} {until}"

        commands = roles.commands_of([set_role])()
        self.assertEqual(commands.run("set-role", ["ada", "editor"]), "ada editor ")
        for arguments, message in (
            ([], "`set-role` needs USER and ROLE"),
            (["ada"], "`set-role` needs ROLE"),
            (["ada", "editor", "friday", "x"], "`set-role` takes 3 arguments: `x` is one too many"),
        ):
            with self.assertRaises(Failure) as failed:
                commands.run("set-role", arguments)
            self.assertEqual(str(failed.exception), message)
            self.assertEqual(failed.exception.hint, "it is used as `set-role USER ROLE [UNTIL]`")


class BuildTest(unittest.TestCase):
    def test_a_module_that_does_not_load_is_told_without_python_s_own_frames(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "broken.py").write_text("def f(:\n")
            made = subprocess.run(
                [sys.executable, "-m", "potluck", "build", "broken", "--componentize-py", "true"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(pathlib.Path(potluck.__file__).parents[1])},
                capture_output=True,
                text=True,
            )
        self.assertEqual(made.returncode, 1)
        self.assertIn("SyntaxError", made.stderr)
        self.assertIn("broken.py", made.stderr)
        self.assertNotIn("importlib", made.stderr)


class ScriptTest(unittest.TestCase):
    def test_every_call_of_the_package_has_a_double(self):
        for name in (
            "app_describe app_setting app_settings app_options recipe_files_read "
            "recipe_files_names report_log report_progress services_run services_wait_ready "
            "services_restart services_put_file services_get_file services_logs secrets_reveal secrets_put "
            "http_send memory_get memory_set tools_now tools_random_bytes tools_bcrypt "
            "tools_argon2id tools_keypair"
        ).split():
            self.assertTrue(inspect.isfunction(getattr(Script, name, None)), name)

    def test_without_a_script_a_call_says_what_is_missing(self):
        with self.assertRaisesRegex(RuntimeError, "potluck.testing.Script"):
            potluck.settings.get("A")

    def test_programs_and_requests_are_answered_by_the_first_rule_that_fits(self):
        with Script() as host:
            host.on("app", ["psql", "*"], input="*drop*", error="not-running")
            host.on("app", ["psql", "*"], stdout="12\n")
            host.on("app", stdout="?", exit_code=3)
            host.on_http("GET https://sso.example.org/*", json_body={"a": 1})
            self.assertEqual(potluck.services.run("app", ["psql", "-c"]).text, "12")
            with self.assertRaises(HostError) as raised:
                potluck.services.run("app", ["psql", "-c"], input="drop table")
            self.assertTrue(raised.exception.retryable)
            self.assertEqual(potluck.services.run("app", ["sh"], check=False).exit_code, 3)
            with self.assertRaisesRegex(Failure, "`sh` ended with code 3"):
                potluck.services.run("app", ["sh"])
            self.assertEqual(potluck.http.get("https://sso.example.org/x").json(), {"a": 1})
            with self.assertRaises(HostError):
                potluck.http.get("https://other.example.org/")
        self.assertEqual(len(host.runs), 4)

    def test_only_a_star_is_special_in_a_pattern(self):
        with Script() as host:
            host.on("app", ["a[b]?", "*"], stdout="yes")
            self.assertEqual(potluck.services.run("app", ["a[b]?", "x"]).text, "yes")
            self.assertEqual(potluck.services.run("app", ["ab?", "x"]).text, "")

    def test_secrets_memory_and_files_are_what_was_given(self):
        with Script(secrets={"a": "1", "b": None}, files={"x/y": "z"}) as host:
            potluck.secrets.put("b", "2")
            for name, kind in (("c", "unknown-secret"), ("a", "exists")):
                with self.assertRaises(HostError) as raised:
                    potluck.secrets.put(name, "3")
                self.assertEqual(raised.exception.kind, kind)
            potluck.memory.set("k", 1)
            self.assertEqual(potluck.memory.get("k"), "1")
            potluck.memory.set("k", "")
            self.assertIsNone(potluck.memory.get("k"))
            self.assertEqual(potluck.recipe_files.names(), ["x/"])
            self.assertEqual(potluck.recipe_files.read("x/y"), b"z")
        self.assertEqual(host.secrets, {"a": "1", "b": "2"})

    def test_services_keep_files_show_logs_and_fail_as_told(self):
        services = potluck.services
        with Script(logs={"app": ["one", "two"]}) as host:
            host.on_call("wait_ready", "db", error="timed-out")
            services.put_file("app", "/etc/x", "content")
            self.assertEqual(services.get_file("app", "/etc/x"), b"content")
            self.assertEqual(services.logs("app", 1), ["two"])
            with self.assertRaises(HostError) as raised:
                services.wait_ready("db", at_most=60)
        self.assertEqual(raised.exception.kind, "timed-out")
        self.assertEqual([call[0] for call in host.calls], ["put_file", "get_file", "logs", "wait_ready"])

    def test_a_grant_that_is_not_there_is_denied_with_its_line(self):
        grants = ("exec: db", "secret: key", "http: https://sso.example.org:8443")
        with Script(secrets={"key": "x"}, denied=grants) as host:
            for call, grant in zip(
                (
                    lambda: potluck.services.run("db", ["true"]),
                    lambda: potluck.secrets.reveal("key"),
                    lambda: potluck.http.get("https://sso.example.org:8443/realm?x"),
                ),
                grants,
            ):
                with self.assertRaises(HostError) as raised:
                    call()
                self.assertEqual(raised.exception.message, f"the plugin was not granted `{grant}`")
                self.assertIn(grant, raised.exception.hint)
        self.assertEqual((host.runs, host.requests), ([], []))
        closed = HostError("denied", "10.0.0.1 is a private address")
        self.assertEqual((closed.message, closed.hint), ("10.0.0.1 is a private address", None))

    def test_what_is_no_text_is_named_where_it_is_given(self):
        with Script(secrets={"key": "x"}):
            for call, named in (
                (lambda: potluck.services.run("app", "echo hi"), "there is no shell"),
                (lambda: potluck.services.run("app", ["echo", 5]), "an argument of a program"),
                (lambda: potluck.services.run("app", ["x"], env={"A": 1}), "the variable A"),
                (lambda: potluck.services.run(7, ["x"]), "services.run"),
                (lambda: potluck.memory.set(1, 1), "memory.set"),
                (lambda: potluck.settings.require(7), "app.setting"),
                (lambda: potluck.Changes(settings={"ON": True}), "settings['ON']"),
                (lambda: potluck.Changes(secrets={"key": b"hush"}), "secrets['key']"),
                (lambda: potluck.Changes(overlays_on="compose.x.yml"), "a list"),
            ):
                with self.assertRaises(TypeError) as raised:
                    call()
                self.assertIn(named, str(raised.exception))
                self.assertNotIn("hush", str(raised.exception))
        self.assertEqual(potluck.Changes(settings={"PORT": 587}).settings, {"PORT": "587"})

    def test_randomness_is_repeatable_and_passwords_are_of_their_letters(self):
        with Script(random=7):
            first = potluck.tools.random_bytes(8)
        with Script(random=7):
            self.assertEqual(potluck.tools.random_bytes(8), first)
            password = potluck.tools.password(40, "ab")
        self.assertEqual((len(password), set(password)), (40, {"a", "b"}))


if __name__ == "__main__":
    unittest.main()
