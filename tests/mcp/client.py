"""Signs in to a protected resource with the official MCP Python SDK, unmodified.

usage: python client.py RESOURCE_URL

Prints {"authorize": URL}, reads the redirect that the browser was sent to from standard input,
then prints {"status": N, "body": ...} of an authenticated GET of the resource.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

RESOURCE = sys.argv[1]


class Memory:
    """Keeps what the SDK wants kept for as long as this program runs."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def redirect(url):
    print(json.dumps({"authorize": url}), flush=True)


async def callback():
    line = await asyncio.to_thread(sys.stdin.readline)
    query = parse_qs(urlparse(line.strip()).query)
    one = {name: values[0] for name, values in query.items()}
    return AuthorizationCodeResult(code=one["code"], state=one.get("state"), iss=one.get("iss"))


async def main():
    metadata = OAuthClientMetadata(
        client_name="MCP Python SDK",
        redirect_uris=["http://127.0.0.1:33419/callback"],
        token_endpoint_auth_method="none",
    )
    auth = OAuthClientProvider(RESOURCE, metadata, Memory(), redirect, callback)
    async with httpx2.AsyncClient(auth=auth) as client:
        answer = await client.get(RESOURCE)
    print(json.dumps({"status": answer.status_code, "body": answer.json()}), flush=True)


asyncio.run(main())
