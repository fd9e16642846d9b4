// A `transire mock` for Node's test runner: copy this file beside your tests.
//
//   import { startMock } from "./transire-mock.mjs";
//   test("…", async (t) => { const mock = await startMock(t); … });
//
// The program is `transire` on the path, or the one that the variable TRANSIRE_TEST_PROGRAM names.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/// Starts a mock that ends with the test `t`. Without a test, call `stop`.
///
/// The result has all that the mock printed (docs/mock.md), and `advance(seconds)`, `now()`, `stop()`.
export async function startMock(t, ...options) {
  const program = process.env.TRANSIRE_TEST_PROGRAM ?? "transire";
  const child = spawn(program, ["mock", "--end-with-stdin", ...options], { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (piece) => (errors += piece));
  const ended = once(child, "exit");
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  t?.after(stop);
  const lines = createInterface({ input: child.stdout });
  const failed = ended.then(() => Promise.reject(new Error(`transire mock did not start: ${errors}`)));
  const [line] = await Promise.race([once(lines, "line"), failed]);
  failed.catch(() => {});
  const info = JSON.parse(line);
  const clock = async (body) => {
    const answer = await fetch(`http://${info.listening}/mock/clock`, body ? { method: "POST", body: JSON.stringify(body) } : {});
    const state = await answer.json();
    if (!answer.ok) throw new Error(state.error);
    return state;
  };
  return {
    ...info,
    /// Moves the mock's clock ahead; returns where it is.
    advance: (seconds) => clock({ advance_seconds: seconds }),
    /// The mock's time, in Unix seconds.
    now: async () => (await clock()).unix_seconds,
    stop,
  };
}
