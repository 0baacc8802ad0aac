"""From checked rules to edits: compiling, rule sets, traces, and the exchange that sockets and tests both drive."""
