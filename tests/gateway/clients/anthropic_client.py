"""Two requests with Anthropic's Python SDK, unmodified, with what is in the environment.

Prints a line of JSON after each; waits for a line on standard input between them.
"""

import json
import sys

from anthropic import Anthropic

client = Anthropic()
asked = {"model": "sandbox-parrot", "max_tokens": 100}
whole = client.messages.create(messages=[{"role": "user", "content": "one"}], **asked)
print(json.dumps({"text": whole.content[0].text}), flush=True)
sys.stdin.readline()
with client.messages.stream(messages=[{"role": "user", "content": "two"}], **asked) as stream:
    text = "".join(stream.text_stream)
print(json.dumps({"text": text}), flush=True)
