#!/bin/sh
# An authority for tests, by the protocol ACME: Pebble on port 14000 as https://$NAME:14000/dir,
# whose own certificate /run/pebble/ca.pem vouches for. It finds every domain at $ADDRESS, and
# asks there on port $HTTP_PORT. Its root is https://127.0.0.1:15000/roots/0.
set -eu

folder=/run/pebble
mkdir -p $folder
cd $folder
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=authority 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout key -out request -subj "/CN=$NAME" 2>/dev/null
printf 'subjectAltName=DNS:%s\n' "$NAME" >names
openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -out cert \
  -extfile names 2>/dev/null
cat >config.json <<EOF
{"pebble": {
  "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
  "certificate": "$folder/cert", "privateKey": "$folder/key",
  "httpPort": $HTTP_PORT, "tlsPort": 443, "ocspResponderURL": "",
  "externalAccountBindingRequired": false
}}
EOF
pebble-challtestsrv -defaultIPv4 "$ADDRESS" -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" &
export PEBBLE_VA_NOSLEEP=1
exec pebble -config config.json -dnsserver 127.0.0.1:8053
