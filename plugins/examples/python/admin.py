"""Creates an app's administrator after the first deploy."""

from potluck import Lifecycle, memory, report, services, settings

#: The password is read where it is, in the service: it is in no argument.
CREATE = 'app-ctl create-admin "$1" </run/secrets/admin_password'


class Admin(Lifecycle):
    def check(self, to):
        settings.require("ADMIN_EMAIL")

    def after_deploy(self, to):
        if memory.get("administrator"):
            return
        email = settings.require("ADMIN_EMAIL")
        services.run("app", ["sh", "-c", CREATE, "sh", email])
        memory.set("administrator", email)
        report.info(f"created the administrator {email}")
