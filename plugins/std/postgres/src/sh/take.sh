# Uncompressed, so that what did not change costs nothing twice.
exec pg_dump -U "$user" -d "$database" --format=custom --compress=0
