"""Plays every role, so that each record goes through the package both ways."""

from potluck import (
    KNOWN,
    UNMARKED,
    Backup,
    Changes,
    Client,
    ClientRequest,
    Command,
    Custom,
    Dump,
    Encryption,
    Failure,
    Finding,
    HostError,
    Lifecycle,
    MailClient,
    MailProvider,
    Migration,
    Names,
    Relay,
    Secret,
    SsoClient,
    SsoProvider,
    Step,
    Volume,
    command,
    facts,
    http,
    memory,
    options,
    recipe_files,
    report,
    secrets,
    services,
    settings,
    tools,
)


class Around(Lifecycle):
    def check(self, to):
        report.info(f"{to.before} to {to.after}")
        if options().get("fail"):
            raise ValueError("a bug")

    def before_deploy(self, to):
        told = facts()
        report.warn(f"{told.name} {told.stack} {told.recipe} {told.version} {told.server}")
        report.debug(f"{sorted(settings.all())}")
        report.progress("counting", 1, 2)

    def after_deploy(self, to):
        services.wait_ready("app", at_most=5)
        services.put_file("app", "/etc/app.conf", "a=1\n", mode=0o600)
        report.info(services.get_file("app", "/etc/app.conf").decode())
        services.restart("app", at_most=5)
        output = services.run("app", ["false"], check=False, user="www-data", env={"A": "1"})
        report.info(f"{output.exit_code} {output.text} {output.error_text}")
        report.info(" ".join(services.logs("app", lines=2)))

    def deploy_failed(self, to, restored):
        report.info(f"{to.after} failed, {restored}")


class Data(Migration):
    def plan(self, before, after):
        return [Step("reindex", f"from {before} to {after}", reversible=True)]

    def run(self, id):
        if id != "reindex":
            raise Failure(f"there is no step `{id}`", hint="plan again", retryable=True)


class Save(Backup):
    def plan(self):
        take = Command(["pg_dump"], env={"PGUSER": "app"}, user="postgres")
        return [
            Volume("content", exclude=["cache"]),
            Dump(
                "app.sql",
                "db",
                take,
                Command(["psql"]),
                ending="-- the end",
                names=Names(Command(["psql", "-l"]), between=("# base ", ";"), all=True),
            ),
            Dump("queue", "db", take, Command(["psql"]), ending=b"\xff\x00", may_shrink=True),
            Dump("app.pgdump", "db", take, Command(["psql"]), ending=KNOWN),
            Dump("log", "db", take, Command(["psql"]), ending=UNMARKED),
            Custom("notes"),
        ]

    def produce(self, name, into):
        for number in range(3):
            into.write(f"{name} {number}\n".encode())

    def consume(self, name, contents):
        read = b""
        while chunk := contents.read(4):
            read += chunk
        memory.set(name, read.decode())

    def verify(self):
        return [Finding("posts", True, "12 posts"), Finding("users", False)]


class Provider(SsoProvider):
    def register(self, request):
        report.info(f"{request.display_name} {request.redirect_uris} {request.public}")
        return Client(f"https://{facts().name}/", request.client, "s3cret-of-the-client")

    def unregister(self, client):
        if client != "wiki":
            raise Failure(f"there is no client `{client}`")

    def rotate(self, request):
        return Client(f"https://{facts().name}/", request.client, "an0ther-of-the-client")


class SignIn(SsoClient):
    def request(self):
        return ClientRequest(facts().stack, "App", [f"https://{facts().name}/callback"])

    def connect(self, client):
        return Changes(
            settings={"OIDC_ISSUER": client.issuer, "LOCAL_LOGIN": None},
            secrets={"oidc_secret": client.client_secret},
            overlays_on=["compose.oidc.yml"],
        )


class Post(MailProvider):
    def account(self, sender):
        return Relay("mail.example.org", 587, Encryption.STARTTLS, sender, password="p4ssword")

    def close_account(self, sender):
        pass

    def rotate(self, sender):
        return Relay("mail.example.org", 587, Encryption.STARTTLS, sender, password="an0ther")


class Mail(MailClient):
    def connect(self, relay):
        assert relay.encryption is Encryption.TLS
        return Changes(settings={"SMTP_HOST": f"{relay.host}:{relay.port}"})


@command
def reset_password(user, password: Secret, length="12"):
    """Sets a password

    user: whose
    password: the new one
    """
    secrets.put("app_password", password)
    return f"{len(password)} of {length} for {user}"


@command
def every_import():
    """Calls what nothing else calls"""
    said = [
        tools.random_bytes(4).hex(),
        tools.password(8),
        str(tools.now()),
        tools.bcrypt("x")[:7],
        tools.argon2id("x")[:9],
        tools.keypair("ed25519")[1].splitlines()[0],
        ",".join(recipe_files.names()),
        recipe_files.read("branding/logo.svg").decode(),
    ]
    answer = http.post("https://sso.example.org/api", json={"a": 1}, headers={"x-a": "b"})
    said.append(f"{answer.status} {answer.json()['b']} {answer.headers['content-type']}")
    for refused in (
        lambda: http.get("https://elsewhere.example.org/"),
        lambda: secrets.reveal("other"),
        lambda: recipe_files.read("none"),
        lambda: services.run("nowhere", ["true"]),
    ):
        try:
            refused()
        except HostError as error:
            said.append(f"{error.kind}: {error.message}")
    return "\n".join(said)
