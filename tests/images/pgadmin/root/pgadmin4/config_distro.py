# What the image sets, as upstream's does.
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
# The service's log has it.
LOG_FILE = "/dev/null"
MINIFY_HTML = False
