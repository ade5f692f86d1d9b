"""The terminal user interface."""

import os

# The C core of gRPC writes to standard error, which is the screen here. Read when it is first loaded.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
