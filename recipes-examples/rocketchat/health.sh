#!/bin/sh
# Whether the database takes writes. A new one has no replica set yet, which Rocket.Chat
# needs: it is made here, of this one server.
exec mongosh --quiet --norc "mongodb://127.0.0.1:27017/?directConnection=true" --eval '
  let hello = db.hello();
  if (!hello.setName) {
    rs.initiate({_id: "rs0", members: [{_id: 0, host: process.env.MEMBER}]});
    hello = db.hello();
  }
  quit(hello.isWritablePrimary ? 0 : 1);'
