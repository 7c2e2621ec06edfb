"""Two requests with OpenAI's Python SDK, unmodified, with what is in the environment.

Prints a line of JSON after each; waits for a line on standard input between them.
"""

import json
import sys

from openai import OpenAI

client = OpenAI()
messages = [{"role": "user", "content": "one"}]
whole = client.chat.completions.create(model="sandbox-parrot", messages=messages)
print(json.dumps({"text": whole.choices[0].message.content}), flush=True)
sys.stdin.readline()
messages = [{"role": "user", "content": "two"}]
stream = client.chat.completions.create(model="sandbox-parrot", messages=messages, stream=True)
text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
print(json.dumps({"text": text}), flush=True)
