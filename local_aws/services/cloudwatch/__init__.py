"""What ministack's CloudWatch lacks: metrics out of log lines, and alarms that watch the time."""
