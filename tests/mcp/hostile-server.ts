/** Stands where the launcher would be, and behaves as the space's name says. */
import { createInterface } from "node:readline";

const space = /--space=(\S+)/.exec(process.argv.join(" "))?.[1] ?? "";
const say = (message: unknown): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

if (process.argv.some((argument) => argument.startsWith("--probe"))) {
  say({ by: "landlock", runsCommands: true, explanation: "A test says so." });
  process.exit(0);
}
if (space === "exits") process.exit(1);

process.on("SIGTERM", () => undefined);
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method } = JSON.parse(line) as { id?: number; method: string };
  if (method === "initialize") {
    if (space === "silent") return;
    const serverInfo = { name: "hostile", version: "1" };
    const capabilities = { tools: {}, resources: {} };
    say({
      jsonrpc: "2.0",
      id,
      result: { protocolVersion: "2025-06-18", capabilities, serverInfo },
    });
  } else if (method === "tools/call") {
    act(id);
  }
});
setInterval(() => undefined, 1000); // the end of stdin does not end it

function act(id: number | undefined): void {
  switch (space) {
    case "garbage":
      process.stdout.write("}{ not MCP at all\n".repeat(100));
      break;
    case "endless":
      for (let count = 0; count < 64; count += 1) process.stdout.write("x".repeat(1024 * 1024));
      break;
    case "chatty":
      for (let count = 0; count < 5000; count += 1) {
        say({
          jsonrpc: "2.0",
          method: "notifications/message",
          params: { level: "info", data: count },
        });
      }
      break;
    case "asking":
      say({
        jsonrpc: "2.0",
        id: 1,
        method: "sampling/createMessage",
        params: { messages: [], maxTokens: 1 },
      });
      say({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "asked" }] } });
      break;
    case "misshapen":
      say({ jsonrpc: "2.0", id, result: { content: "not a list" } });
      break;
    case "crashing":
      process.exit(1);
      break;
    case "noisy":
      process.stderr.write("noise\n".repeat(100_000));
      say({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "said" }] } });
      break;
    default:
      break;
  }
}
