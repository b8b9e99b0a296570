"""What happened elsewhere: events that end tokens here, from the senders that the settings name.

Each kind of event has a module that reads it (`logout`, `security_event`, `cloud_event`, `log_record`,
`global_revocation`) and returns an `Event`: who tells it, its id, its time, and its effects. `receiver` puts these into
force, once for each event.
"""
