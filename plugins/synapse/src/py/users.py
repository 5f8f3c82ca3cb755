answer([{"name": name, "admin": bool(admin), "deactivated": bool(gone)}
        for name, admin, gone in rows("SELECT name, admin, deactivated FROM users ORDER BY name")])
