"""HL7 aECG without identity: series, their codes and numbers stay; subject, trial, sites and people go."""

from __future__ import annotations

from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import Pseudonyms
from services.ingest.deidentify.xml_tree import Keep, clean_xml

_DROPPED_NAMES = """
    id raceCode birthTime clinicalTrial definition treatmentGroupAssignment addr performer location responsibleParty
    secondaryPerformer relatedObservation testingSite assignedEntity assignedPerson confidentialityCode reasonCode
    subjectFindingComment timepointEvent relativeTimepoint
"""

_KEEP = Keep(
    texts=frozenset({"digits", "manufacturerModelName", "softwareName"}),
    attributes=frozenset({"code", "codeSystem", "value", "unit", "type", "classCode", "nullFlavor"}),
    dropped=frozenset(_DROPPED_NAMES.split()),
    moved=frozenset({"low@value", "high@value", "center@value", "head@value", "@value"}),
)


def clean(source: Source, pseudonyms: Pseudonyms) -> Cleaned:
    """The document with what is technical."""
    return clean_xml(source, pseudonyms, _KEEP)
