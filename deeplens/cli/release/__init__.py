"""`deeplens release`: pins, promotions, signatures and the audit log."""
