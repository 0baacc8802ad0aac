"""The only room with sockets: from a client's connection to an upstream's and back."""
