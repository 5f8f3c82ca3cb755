# As a replica gets it: one moment of all keys, while the server goes on. The
# mark that ends the stream comes along; whoever loads it stops before that.
redis --rdb -
