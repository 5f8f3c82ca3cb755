#!/bin/sh
# The part of tecnativa/docker-socket-proxy's contract that recipes use: a variable for each
# part of the engine's interface (NETWORKS=1), POST=0 for reading only, on port 2375.
set -eu

allow=
for part in _PING:PING containers:CONTAINERS events:EVENTS networks:NETWORKS nodes:NODES \
  secrets:SECRETS services:SERVICES swarm:SWARM tasks:TASKS version:VERSION volumes:VOLUMES; do
  eval "on=\${${part#*:}:-0}"
  if [ "$on" = 1 ]; then allow="$allow|$(printf %s "${part%:*}" | tr '[:upper:]' '[:lower:]')"; fi
done
reading='http-request deny unless METH_GET'
if [ "${POST:-0}" = 1 ]; then reading=; fi
cat >/tmp/haproxy.cfg <<EOF
global
	log stdout format raw daemon ${LOG_LEVEL:-info}
defaults
	mode http
	log global
	timeout connect 10s
	timeout client 10m
	timeout server 10m
backend engine
	server socket unix@/var/run/docker.sock
frontend requests
	bind :2375
	$reading
	http-request allow if { path,url_dec -m reg -i ^(/v[0-9.]+)?/(${allow#|})(/.*)?\$ }
	http-request deny
	default_backend engine
EOF
exec haproxy -W -db -f /tmp/haproxy.cfg
