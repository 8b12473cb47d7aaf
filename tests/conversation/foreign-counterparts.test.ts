import { LLMock } from "@copilotkit/aimock";
import { startTelegramServer } from "@openclaw/crabline";
import type { StartedTelegramServer } from "@openclaw/crabline";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startGateway } from "../support/gateway-process.ts";
import type { GatewayProcess } from "../support/gateway-process.ts";
import { makeFolders, until } from "../support/rig.ts";
import type { Folders } from "../support/rig.ts";

/** Counterparts that nobody here wrote, so that our own reading of the two protocols is not the only judge. */
describe.each(["openai", "anthropic"] as const)(
  "crabline's Telegram and aimock's %s",
  (provider) => {
    let platform: StartedTelegramServer | undefined;
    let mock: LLMock | undefined;
    let gateway: GatewayProcess | undefined;
    let folders: Folders | undefined;
    afterEach(async () => {
      await gateway?.kill();
      await platform?.close();
      await mock?.stop();
      if (folders !== undefined) rmSync(folders.root, { recursive: true, force: true });
    });

    test("a plain answer, then one that needs a tool", async () => {
      folders = makeFolders();
      const sent: string[] = [];
      platform = await startTelegramServer({
        recorderPath: join(folders.root, "crabline.jsonl"),
        onEvent: (event) => {
          const line = JSON.stringify(event);
          if (/sendmessage/i.test(line)) sent.push(line);
        },
      });
      mock = new LLMock({ port: 0 });
      mock.on({ userMessage: /greet/ }, { content: "Greetings from the mock." });
      mock.on(
        { userMessage: /keep a note/, hasToolResult: false },
        { toolCalls: [{ name: "write_file", arguments: { path: "note.txt", content: "kept" } }] },
      );
      mock.on(
        { userMessage: /keep a note/, hasToolResult: true },
        { content: "The note is kept." },
      );
      const modelUrl = await mock.start();

      const { manifest } = platform;
      writeFileSync(
        folders.config,
        JSON.stringify({
          llm: {
            provider,
            api_key: "sk-test",
            model: provider === "openai" ? "gpt-4o" : "claude-sonnet-4-5",
            base_url: provider === "openai" ? `${modelUrl}/v1` : modelUrl,
          },
          channel: {
            type: "telegram",
            token: manifest.botToken,
            api_root: manifest.endpoints.apiRoot,
            allowed_users: [100_000_001],
          },
        }),
      );
      gateway = startGateway(folders);
      const { lines } = gateway;

      const say = async (text: string, answer: string): Promise<void> => {
        const response = await fetch(manifest.endpoints.adminInboundUrl, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            "x-crabline-admin-token": manifest.adminToken,
          },
          body: JSON.stringify({ chatId: 100_000_001, fromId: 100_000_001, text }),
        });
        if (!response.ok) throw new Error(`crabline refused the message: ${await response.text()}`);
        await until(
          () => sent.some((line) => line.includes(answer)),
          20_000,
          `"${answer}" in crabline; it saw ${sent.join("\n")}; the gateway said ${lines.slice(-10).join("\n")}`,
        );
      };
      await say("greet me", "Greetings from the mock.");
      await say("keep a note", "The note is kept.");
      expect(readFileSync(join(folders.workspace, "spaces/main/note.txt"), "utf8")).toBe("kept");
      expect((await gateway.stop()).code).toBe(0);
    });
  },
);
