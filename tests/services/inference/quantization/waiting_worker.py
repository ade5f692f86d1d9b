"""A quantization that is at work until its service ends it."""

import sys

if __name__ == "__main__":
    sys.stdin.buffer.read()
