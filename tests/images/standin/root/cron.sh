#!/bin/sh
# Nextcloud's second program.
exec standin "$@"
