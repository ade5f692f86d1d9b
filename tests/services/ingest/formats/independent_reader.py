"""What ecgdatakit, which shares no code with the readers here, finds in a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


def independent_leads(path: Path) -> dict[str, NDArray[Any]]:
    """Samples by the lead's label, in the unit that the other reader chose."""
    from ecgdatakit import FileParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = FileParser().parse(str(path))
    return {lead.label: lead.samples for lead in record.leads}
