"""What each role may do, written a second time by hand.

So a slip in the table that the program enforces is found too.
"""

from __future__ import annotations

SITE_ROLES, CONSORTIUM_ROLES = ("SC", "SD", "LT", "AU"), ("CA", "CD", "AD")
KINDS = ("participants", "samples", "assessments", "assays")
# Resource -> who reads it. Rows of a site, then what belongs to no site.
READERS = {
    "sites": "SC SD LT CA CD AU AD",
    "participants": "SC SD CD AU",
    "transfers": "SC SD CD AU",
    "consents": "SC SD CD AU",
    "consent-forms": "SC SD CD AU",
    "withdrawals": "SC SD CD AU",
    "erasures": "SC SD CD AU",
    "exports": "SD CD AU",
    "samples": "SC SD LT CD AU",
    "assessments": "SC SD CD AU",
    "uploads": "SC SD LT CD AU",
    "assay-batches": "SC SD LT CD AU",
    "queries": "SC SD LT CD AU",
    "boxes": "SC SD LT CD AU",
    "shipments": "SC SD LT CD AU",
    "destructions": "SC SD LT CD AU",
    "changes": "SC SD LT CA CD AU",
    "features": "SC SD LT CA CD AU",
    "dictionaries": "SC SD LT CA CD AU",
    "dictionary-edits": "SD CD AU",
    "plans": "SC SD CA CD AU",
    "claims": "SC SD LT CA CD AU",
    "runs": "SC SD CA CD AU",
}
SHARED = ("features", "dictionaries", "dictionary-edits", "plans", "claims")
RESULTS = ("effects", "pooled", "claims", "harmonisation", "classifier", "severity", "changes")
# Tables that the plan of this world does not ask for.
ON_REQUEST = ("one-stage", "sensitivity", "moderated", "nested", "transport", "languages")
RESULT_READERS, BEFORE_RELEASE = "SC SD CA CD AU", "CD AU"
RESULT_TAKERS = "CA CD"
# A laboratory reads no report on people, since a report quotes cells.
UPLOAD_READERS = dict.fromkeys(KINDS, "SC SD CD AU") | {
    "samples": "SC SD LT CD AU",
    "assays": "SC SD LT CD AU",
}
SENDERS = {"participants": "SC", "samples": "SC LT", "assessments": "SC", "assays": "SD LT"}
# Who corrects a kind, or approves its corrections, decides over a checked table of it.
DECIDERS = {"participants": "SC SD", "samples": "SC SD LT", "assessments": "SC SD"}
DECIDERS |= {"assays": "SD LT CD"}
FETCHERS = "SD CD"  # of tables that somebody else sent
ANY_SENDER, WITHDRAWERS, STARTERS = "SC SD LT", "SC CD", "CA CD"
CONSENTERS = "SC"
ERASURE_ASKERS, ERASURE_APPROVERS, ERASURE_STOPPERS = "SC", "SD CD", "SC SD CD"
ASKERS = "SC SD CD AU"
TRAIL_READERS, TRAIL_TAKERS = "SC SD LT CD AU AD", "AU"
STAFF_READERS = "SC SD CD AU AD"
# Signing in itself: tests/cohorts/test_sign_in.py and test_invitations.py speak of it.
PUBLIC = {"login", "logout", "account_login", "account_logout", "account_signup", "invitation"}
PUBLIC |= {f"account_reset_password{step}" for step in ("", "_done", "_from_key")}
PUBLIC |= {"set_language"}  # a cookie of the visitor's own
PUBLIC |= {"account_reset_password_from_key_done", "mfa_authenticate", "mfa_login_webauthn"}
OWN_ACCOUNT = {"tokens", "token-revoke", "account-mails", "mfa_index", "usersessions_list"}
# What guards the account: asks for the password again.
GUARDED = {"mfa_activate_totp", "mfa_deactivate_totp", "mfa_add_webauthn", "mfa_list_webauthn"}
GUARDED |= {f"mfa_{verb}_recovery_codes" for verb in ("view", "generate", "download")}
GUARDED |= {"account_change_password", "account_set_password", "account_reauthenticate"}
GUARDED |= {"mfa_reauthenticate", "mfa_reauthenticate_webauthn"}
OF_A_KEY = {"mfa_remove_webauthn", "mfa_edit_webauthn"}
DIVIDERS, HANDLERS, SHIPPERS = "SC LT", "SC SD LT", "LT"
DESTROYERS, DESTRUCTION_APPROVERS = "LT", "SD"
PAGES = {
    "home",
    "staff",
    "site",
    "upload",
    "withdrawal",
    "consent",
    "enrol",
    "consent-record",
    "consent-forms",
    "consent-form",
    "upload-report",
    "queries",
    "audit-trail",
    "audit-trail-csv",
    "query",
    "names",
    "dictionary-edits",
    "feature",
    "batches",
    "batch",
    "upload-remarks",
    "samples",
    "sample",
    "scan",
    "box",
    "box-new",
    "labels",
    "shipments",
    "shipment",
    "destructions",
    "runs",
    "run",
    "run-latest",
    "run-plots",
    "dictionary",
    "dictionary-file",
    "person-visit",
    "person-interview",
    "person-same",
    "person-different",
    "person-scale",
    "entry-second",
    "entry-comparison",
    "claim",
    "people",
    "person",
    "person-correct",
    "person-values",
    "batch-values",
    "erasures",
    "exports",
    "renewals",
    "person-merge",
    "person-move",
    "transfer",
}
PLACERS, CANCELLERS = "CD", "CA CD"
ACTIONS = {
    *("run-ask", "run-cancel", "run-priority", "api-runs-cancel", "api-runs-priority"),
    *("run-release", "api-runs-release"),
    *("api-erasures-approve", "api-erasures-stop"),
    *("role-end", "invitation-withdraw", "transfer-call-off"),
}

ACTIONS |= {
    f"api-samples-{verb}" for verb in ("handling", "divide", "thaw", "measure", "move", "process")
}
ACTIONS |= {
    "api-shipments-receive",
    "api-shipments-complete",
    "api-destructions-record",
    "api-destructions-approve",
}
ACTIONS |= {f"api-queries-{verb}" for verb in ("answer", "ask-again", "close")}
ACTIONS |= {"api-claims-history", "api-plans-lock"}
ACTIONS |= {f"api-features-{verb}" for verb in ("review", "decide", "lineage")}
ACTIONS |= {f"api-features-{verb}" for verb in ("rename", "merge", "split")}
ACTIONS |= {"api-dictionary-edits-approve", "api-dictionary-edits-refuse"}
ACTIONS |= {"dictionary-edit-decide"}
ACTIONS |= {"api-assay-batches-void", "api-assay-batches-decide-void", "api-assay-quality-qc"}
ACTIONS |= {"api-sites-enrolment"}
ACTIONS |= {"api-assay-batches-values", "api-participants-values"}
VALUE_READERS = "SD CD AU"
ACTIONS |= {"api-webhooks-list", "api-webhooks-detail", "api-webhooks-take-up"}
ACTIONS |= {f"api-webhooks-{verb}" for verb in ("deliveries", "end", "replay", "rotate")}
HOOKED, HOOK_MAKERS = "SC SD CA CD AD", "SC SD CA CD"
VOID_ASKERS, VOID_DECIDERS = "SD LT", "SD CD"
NAME_READERS, NAME_DECIDERS, DICTIONARY_KEEPERS = "SD LT CD AU", "SD CD", "CD"
ACTIONS |= {"api-consent-forms-correct"}
ACTIONS |= {"api-participants-correct", "api-participants-history"}
CORRECTORS = "SC SD"
TABLE_ACTIONS = {"upload-accept", "upload-discard", "api-uploads-accept", "api-uploads-discard"}
TABLE_ACTIONS |= {"api-uploads-remarks", "upload-encoding", "upload-mapping"}
TABLE_ACTIONS |= {"api-uploads-mapping"}
ACTIONS |= {"api-participants-merge", "api-participants-same-person"}
ACTIONS |= {"api-transfers-accept", "api-transfers-call-off"}
ACTIONS |= {"api-participants-visits", "api-participants-interviews"}
EXPORT_ASKERS, EXPORT_APPROVERS = "SD CD", "SD CD"
ACTIONS |= {f"api-exports-{verb}" for verb in ("approve", "refuse", "file")}
ACTIONS |= {"export-decide", "export-file"}
ACTIONS |= {"erasure-decide", "api-consents-renewals", "api-consents-correct"}
ACTIONS |= {"api-dictionaries-changes", "api-dictionaries-redcap"}
ACTIONS |= {f"api-assessments-{verb}" for verb in ("comparison", "second-entry", "settle")}
MOVERS, LINKERS = "SC", "CD"
HEALTH = {"healthz", "readyz", "metrics"}  # the first two are told to everybody
API_SELF = {"api-root", "schema", "api-docs", "api-nothing"}


# --- who asks
