"""Rules tried without sockets: the tests in their files, captured traffic, one set of rules beside another."""
