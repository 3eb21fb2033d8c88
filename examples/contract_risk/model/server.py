"""One embedded model server: `python server.py WEIGHTS THREADS` prints its address and ends when its stdin closes."""

from __future__ import annotations

import os
import sys

import xllamacpp

CONTEXT = 4096


def main() -> None:
    """Loads the weights, serves them on loopback, and waits for the end of stdin."""
    weights, threads = sys.argv[1], int(sys.argv[2])
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.verbosity = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # a generation nobody waits for any more need not be finished


if __name__ == "__main__":
    main()
