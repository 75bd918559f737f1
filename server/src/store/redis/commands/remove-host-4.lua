-- Forgets a host and the ownership of its rooms.
-- KEYS: hosts, leases, owners, rooms prefix
-- ARGV: id
-- include owners
forgetHost(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1])
return 1
