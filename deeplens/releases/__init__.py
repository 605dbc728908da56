"""Releases: the pinned release of each environment, the release of its fleet, and all promotions.

Releases need no database. Environment files contain the pins (`pin`), the models folder and the
model store contain the artifacts (`artifacts`), deployments contain the result of their gate
(`aws`), and `environments/promotions.jsonl` is the audit log (`audit_log`). `promotion` contains
the rules.
"""
