"""A reading worker whose reader dies of one file and never ends with another."""

import os
import time

from precordia.record import Hints, Recording
from precordia.source import Source
from services.ingest.formats import ReaderContext, read_source
from services.ingest.reading_worker import main


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[Recording, ...]:
    if source.name == "crash.hea":
        os.abort()
    if source.name == "endless.hea":
        time.sleep(600)
    return read_source(source, hints, context)


if __name__ == "__main__":
    main(read)
