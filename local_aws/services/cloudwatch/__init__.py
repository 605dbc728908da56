"""CloudWatch features that ministack lacks: metrics of log events, and periods of alarms."""
