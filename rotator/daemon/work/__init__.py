"""The daemon's work: what is to be done (workqueue, schedule, events) and who does it (runner)."""
