// Signs in to a protected resource with the official MCP TypeScript SDK, unmodified.
//
// usage: node client.mjs RESOURCE_URL SDK_FOLDER
// Prints {"authorize": URL}, reads the redirect that the browser was sent to from standard input,
// then prints {"status": N, "body": …} of an authenticated GET of the resource.
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const [resource, sdk] = process.argv.slice(2);
const { auth, extractWWWAuthenticateParams } = await import(
  pathToFileURL(`${sdk}/dist/esm/client/auth.js`).href
);

const state = "state-of-the-sdk-test";
const kept = {};
const provider = {
  redirectUrl: "http://127.0.0.1:33418/callback",
  clientMetadata: {
    client_name: "MCP TypeScript SDK",
    redirect_uris: ["http://127.0.0.1:33418/callback"],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => state,
  clientInformation: () => kept.client,
  saveClientInformation: (client) => (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => (kept.tokens = tokens),
  saveCodeVerifier: (verifier) => (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: (url) => console.log(JSON.stringify({ authorize: url.href })),
};

const refused = await fetch(resource);
const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(refused);
const options = { serverUrl: resource, resourceMetadataUrl, scope };
if ((await auth(provider, options)) !== "REDIRECT") throw new Error("expected a redirect");

const lines = readline.createInterface({ input: process.stdin });
const callback = new URL((await lines[Symbol.asyncIterator]().next()).value);
if (callback.searchParams.get("state") !== state) throw new Error("the state is not ours");
const authorizationCode = callback.searchParams.get("code");
if ((await auth(provider, { ...options, authorizationCode })) !== "AUTHORIZED") {
  throw new Error("expected a token");
}

const answer = await fetch(resource, {
  headers: { authorization: `Bearer ${kept.tokens.access_token}` },
});
console.log(JSON.stringify({ status: answer.status, body: await answer.json() }));
process.exit(0);
