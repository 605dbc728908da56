"""CloudWatch features that ministack lacks: metrics in log events, and the state of alarms."""
