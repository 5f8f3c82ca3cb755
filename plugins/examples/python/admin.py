"""Creates an app's administrator after the first deploy."""

from potluck import Lifecycle, memory, report, secrets, services, settings


class Admin(Lifecycle):
    def check(self, to):
        settings.require("ADMIN_EMAIL")

    def after_deploy(self, to):
        if memory.get("administrator"):
            return
        email = settings.require("ADMIN_EMAIL")
        password = secrets.reveal("admin_password")
        services.run("app", ["app-ctl", "create-admin", email], input=password)
        memory.set("administrator", email)
        report.info(f"created the administrator {email}")
