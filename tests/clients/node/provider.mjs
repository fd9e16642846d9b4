// A certified OpenID provider (oidc-provider) on loopback, whose people log in with a name and no password.
//
// It reads the file that its argument names at its first request: its client, and the claims of its people.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

// Where ./test installed it.
const modules = pathToFileURL(`${process.env.TRANSIRE_TEST_NODE_MODULES}/`);
const { default: Provider } = await import(new URL("oidc-provider/lib/index.js", modules));

// Another site than the console's: a site is a host name, whatever its port.
const issuer = () => `http://localhost:${server.address().port}`;

function open() {
  const { client, people } = JSON.parse(readFileSync(process.argv[2], "utf8"));
  const provider = new Provider(issuer(), {
    clients: [client],
    claims: { openid: ["sub"], profile: ["name", "groups"] },
    // The claims of the scopes are in the token itself.
    conformIdTokenClaims: false,
    cookies: { keys: ["EXAMPLE"] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    interactions: { url: (_, interaction) => `/log-in/${interaction.uid}` },
    loadExistingGrant: async ({ oidc }) => {
      const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope("openid profile");
      await grant.save();
      return grant;
    },
    pkce: { required: () => true },
    ttl: { AccessToken: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  });
  return { provider, serve: provider.callback() };
}

async function logIn(provider, request, response) {
  if (request.method === "GET") {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,">
<form method="post"><label>Name <input name="name"></label> <button>Go on</button> <button name="abort" value="yes">Give up</button></form>`);
    return;
  }
  let body = "";
  for await (const part of request) body += part;
  const form = new URLSearchParams(body);
  const result = form.has("abort") ? { error: "access_denied" } : { login: { accountId: form.get("name") } };
  await provider.interactionFinished(request, response, result);
}

let opened;
const server = createServer((request, response) => {
  opened ??= open();
  const answered = request.url.startsWith("/log-in/") ? logIn(opened.provider, request, response) : opened.serve(request, response);
  Promise.resolve(answered).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(issuer()));
