// npm's oidc-provider on loopback, as anybody would set it up: discovery, open registration, PKCE, device codes,
// rotation, revocation. Only the person is played: every interaction is answered by Ada's yes.
//
// usage: node issuer.mjs NODE_MODULES   → one line {"issuer": …}; ends at the end of its stdin.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// stdout belongs to the one line.
console.log = console.info = console.error;

const require = createRequire(`${process.argv[2]}/`);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

// A client for each way to prove oneself; the keys' private halves go to the test.
const keys = { rsa: ["rsa", { modulusLength: 2048 }], ec: ["ec", { namedCurve: "P-256" }], ed25519: ["ed25519", {}] };
const algorithms = { rsa: "RS256", ec: "ES256", ed25519: "EdDSA" };
const machines = [];
const pems = {};
for (const [name, [type, options]] of Object.entries(keys)) {
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  pems[name] = privateKey.export({ type: "pkcs8", format: "pem" });
  const jwk = { ...publicKey.export({ format: "jwk" }), alg: algorithms[name], use: "sig", kid: name };
  machines.push({
    client_id: name, token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] },
    token_endpoint_auth_signing_alg: algorithms[name],
  });
}
for (const method of ["client_secret_basic", "client_secret_post"]) {
  machines.push({ client_id: method, client_secret: "s:e cret", token_endpoint_auth_method: method });
}
const machine = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };

const provider = new Provider(issuer, {
  clients: machines.map((client) => ({ ...client, ...machine })),
  clientAuthMethods: ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
  enabledJWA: { clientAuthSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
  claims: { email: ["email"], openid: ["sub"] },
  cookies: { keys: ["of this test"] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@oidc.test` }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});

async function agree(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: "ada" } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? "openid");
  const grantId = await grant.save();
  return provider.interactionFinished(request, response, { consent: { grantId } });
}

const others = provider.callback();
server.on("request", (request, response) => {
  if (!request.url.startsWith("/interaction/")) return others(request, response);
  agree(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});

process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ issuer, pems })}\n`);
