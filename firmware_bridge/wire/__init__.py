"""What goes over the line: every number, every key, and what each message holds.

`command` is the form of a command and of a map; `standard` are the groups that Zephyr documents,
`edge` is ours; `log_batch` and `log_text` are how it writes its power log. Host and device
import them alike, and `c_header` writes them down for the device side in C. PROTOCOL.md says the
same to people.
"""
