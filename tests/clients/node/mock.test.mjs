// contrib/node-test, tried with both clouds' own SDKs.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import { startMock } from "../../../contrib/node-test/transire-mock.mjs";

// Where ./test installed them.
const require = createRequire(`${process.env.TRANSIRE_TEST_NODE_MODULES}/`);
const { CommonClient } = require("tencentcloud-sdk-nodejs-common");
const { RPCClient } = require("@alicloud/pop-core");

const HOUR = 3600;

async function byTencent(mock) {
  const client = new CommonClient(mock.listening, "2019-09-24", {
    credential: { secretId: mock.tencent.secret_id, secretKey: mock.tencent.secret_key },
    region: mock.tencent.region,
    profile: { httpProfile: { protocol: "http://", endpoint: mock.listening } },
  });
  const made = await client.request("CreateInstanceToken", { RegistryId: mock.tencent.registry_id });
  return { username: made.Username, secret: made.Token };
}

async function byAlibaba(mock) {
  const client = new RPCClient({
    accessKeyId: mock.alibaba.access_key_id,
    accessKeySecret: mock.alibaba.access_key_secret,
    endpoint: `http://${mock.listening}`,
    apiVersion: "2018-12-01",
  });
  const made = await client.request("GetAuthorizationToken", { InstanceId: mock.alibaba.instance_id }, { method: "POST" });
  return { username: made.TempUsername, secret: made.AuthorizationToken };
}

async function logIn(mock, { username, secret }) {
  const authorization = `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`;
  const answer = await fetch(`http://${mock.listening}/token?service=${mock.service}`, { headers: { authorization } });
  return answer.status;
}

for (const [cloud, issue] of [["Tencent", byTencent], ["Alibaba", byAlibaba]]) {
  test(`a credential of ${cloud}'s SDK ends when the clock is moved, and a new one is made`, async (t) => {
    const mock = await startMock(t);
    const first = await issue(mock);
    assert.equal(await logIn(mock, first), 200);
    const state = await mock.advance(HOUR + 60);
    assert.equal(state.advanced_seconds, HOUR + 60);
    assert.equal(await logIn(mock, first), 401);
    assert.equal(await logIn(mock, await issue(mock)), 200);
  });
}

test("a mock that can't start says why", async (t) => {
  await assert.rejects(startMock(t, "--seed", "nowhere.toml"), /nowhere\.toml/);
});
