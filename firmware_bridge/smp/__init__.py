"""The protocol without a port: messages, both framings, and either side of a conversation.

`message` is a request or an answer, `framing` makes bytes of it; `client` asks, `agent` answers
with its command groups.
"""
