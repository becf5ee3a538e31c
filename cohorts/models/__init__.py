"""What is stored, and what is never allowed."""

from cohorts.models.acceptance import AcceptanceLimits
from cohorts.models.account import ApiToken, User
from cohorts.models.assay import AssayBatch, AssayRow, BatchFeature, ValueFlag
from cohorts.models.assessment import Assessment, Instrument
from cohorts.models.audit_chain import AuditLink, AuditSeal
from cohorts.models.change import Change
from cohorts.models.consent import Consent, ConsentForm, Withdrawal
from cohorts.models.context_dictionary import VariableDictionary
from cohorts.models.custody import CustodyEvent, Destruction
from cohorts.models.dictionary import FeatureDecision
from cohorts.models.dictionary_edit import DictionaryEdit
from cohorts.models.erasure import Erasure, Tombstone
from cohorts.models.export_request import ExportRequest
from cohorts.models.feature import Feature, FeatureAlias
from cohorts.models.heartbeat import Heartbeat
from cohorts.models.history import EVENTS
from cohorts.models.interview import Interview, ProtocolVisit
from cohorts.models.participant import Participant, Visit
from cohorts.models.query import Query, QueryEvent
from cohorts.models.reading_log import RecordReading
from cohorts.models.record_export import RecordExport
from cohorts.models.reference_range import ReferenceRange
from cohorts.models.repeat import SentRequest
from cohorts.models.sample import Box, Sample
from cohorts.models.second_entry import SecondEntry
from cohorts.models.shipment import Receipt, Shipment, ShippedTube, TemperatureReading
from cohorts.models.sign_in import Invitation, SignInAttempt
from cohorts.models.site import Membership, Site, Study
from cohorts.models.transfer import Transfer
from cohorts.models.upload import ColumnMapping, Upload
from cohorts.models.voiding import BatchVoid

__all__ = [
    "EVENTS",
    "AcceptanceLimits",
    "ApiToken",
    "AssayBatch",
    "AssayRow",
    "Assessment",
    "AuditLink",
    "AuditSeal",
    "BatchFeature",
    "BatchVoid",
    "Box",
    "Change",
    "ColumnMapping",
    "Consent",
    "ConsentForm",
    "CustodyEvent",
    "Destruction",
    "DictionaryEdit",
    "Erasure",
    "ExportRequest",
    "Feature",
    "FeatureAlias",
    "FeatureDecision",
    "Heartbeat",
    "Instrument",
    "Interview",
    "Invitation",
    "Membership",
    "Participant",
    "ProtocolVisit",
    "Query",
    "QueryEvent",
    "Receipt",
    "RecordExport",
    "RecordReading",
    "ReferenceRange",
    "Sample",
    "SecondEntry",
    "SentRequest",
    "Shipment",
    "ShippedTube",
    "SignInAttempt",
    "Site",
    "Study",
    "TemperatureReading",
    "Tombstone",
    "Transfer",
    "Upload",
    "User",
    "ValueFlag",
    "VariableDictionary",
    "Visit",
    "Withdrawal",
]
