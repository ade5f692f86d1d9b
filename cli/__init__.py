"""The command line: a front end over `precordia.client`."""
