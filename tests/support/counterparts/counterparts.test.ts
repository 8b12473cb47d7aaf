import Anthropic from "@anthropic-ai/sdk";
import { Api, GrammyError, HttpError, InputFile } from "grammy";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startModel } from "./model.ts";
import type { Model } from "./model.ts";
import { startTelegram } from "./telegram.ts";
import type { Telegram } from "./telegram.ts";

/** The counterparts judge the gateway, so they are judged first, through the platforms' own clients. */

describe("the Telegram counterpart, through grammY", () => {
  let telegram: Telegram;
  let api: Api;
  beforeAll(async () => {
    telegram = await startTelegram();
    api = new Api(telegram.token, { apiRoot: telegram.apiRoot });
  });
  afterAll(async () => await telegram.stop());

  test("delivers an update again until a higher offset confirms it", async () => {
    const { updateId } = await telegram.remote.inject({ from: 1001, text: "hello" });
    const first = await api.getUpdates({ timeout: 0 });
    const again = await api.getUpdates({ offset: updateId, timeout: 0 });
    const after = await api.getUpdates({ offset: updateId + 1, timeout: 0 });
    const lower = await api.getUpdates({ offset: 0, timeout: 0 });
    expect(
      [first, again, after, lower].map((updates) => updates.map((one) => one.update_id)),
    ).toEqual([[updateId], [updateId], [], []]);
    expect(first[0]?.message).toMatchObject({ text: "hello", chat: { id: 1001, type: "private" } });
  });

  test("answers a waiting poll as soon as a message comes, and a newer poll ends an older one", async () => {
    const waiting = api.getUpdates({ timeout: 20 });
    await telegram.nextEvent((event) => event.type === "called", 5000, "the poll");
    const newer = api.getUpdates({ timeout: 20 });
    await expect(waiting).rejects.toMatchObject({ error_code: 409 });
    const { updateId } = await telegram.remote.inject({ from: 1001, text: "now" });
    const updates = await newer;
    expect(updates.map((one) => one.update_id)).toEqual([updateId]);
    await api.getUpdates({ offset: updateId + 1, timeout: 0 });
  });

  test("shows members the parsed text, and refuses what Telegram refuses", async () => {
    const sent = await api.sendMessage(1001, "<b>a &lt; b</b>", { parse_mode: "HTML" });
    expect(await telegram.remote.messages(1001)).toMatchObject([
      { id: sent.message_id, text: "a < b" },
    ]);
    const refusals = [
      api.sendMessage(1001, "x".repeat(4097)),
      api.sendMessage(1001, "  "),
      api.sendMessage(1001, "<p>no</p>", { parse_mode: "HTML" }),
      api.sendMessage(1001, "<b>no", { parse_mode: "HTML" }),
      api.editMessageText(1001, sent.message_id, "a < b"),
    ];
    const texts = await Promise.all(
      refusals.map(
        async (one) =>
          await one.then(() => "accepted").catch((error: GrammyError) => error.description),
      ),
    );
    expect(texts).toEqual([
      "Bad Request: message is too long",
      "Bad Request: message text is empty",
      expect.stringContaining("can't parse entities"),
      expect.stringContaining("can't parse entities"),
      expect.stringContaining("message is not modified"),
    ]);
  });

  test("serves a document in both directions", async () => {
    const data = new TextEncoder().encode("some bytes");
    const { updateId } = await telegram.remote.inject({
      from: 1001,
      text: "look",
      document: { name: "a.txt", mediaType: "text/plain", data },
    });
    const [update] = await api.getUpdates({ timeout: 0 });
    await api.getUpdates({ offset: updateId + 1, timeout: 0 });
    expect(update?.message).toMatchObject({ caption: "look", document: { file_name: "a.txt" } });
    const file = await api.getFile(update?.message?.document?.file_id ?? "");
    const response = await fetch(`${telegram.apiRoot}/file/bot${telegram.token}/${file.file_path}`);
    expect(await response.text()).toBe("some bytes");

    await api.sendDocument(1001, new InputFile(data, "b.txt"), { caption: "there" });
    const [last] = (await telegram.remote.messages(1001)).slice(-1);
    expect(last).toMatchObject({ text: "there", file: { name: "b.txt", data } });
  });

  test("drops a message before or after it is recorded, and the sender cannot tell", async () => {
    await telegram.remote.arm({ point: "sendMessage received", match: "lost", action: "drop" });
    await expect(api.sendMessage(1001, "lost")).rejects.toBeInstanceOf(HttpError);
    await telegram.remote.arm({ point: "sendMessage recorded", match: "doubtful", action: "drop" });
    await expect(api.sendMessage(1001, "doubtful")).rejects.toBeInstanceOf(HttpError);
    const texts = (await telegram.remote.messages(1001)).map(({ text }) => text);
    expect(texts).not.toContain("lost");
    expect(texts).toContain("doubtful");
  });

  test("fails as told: too many requests, server error, reset", async () => {
    await telegram.remote.fault({
      method: "sendMessage",
      kind: "too many requests",
      retryAfterSeconds: 7,
    });
    await expect(api.sendMessage(1001, "x")).rejects.toMatchObject({
      error_code: 429,
      parameters: { retry_after: 7 },
    });
    await telegram.remote.fault({ method: "sendMessage", kind: "server error" });
    await expect(api.sendMessage(1001, "x")).rejects.toMatchObject({ error_code: 500 });
    await telegram.remote.fault({ method: "sendMessage", kind: "reset", when: "after" });
    await expect(api.sendMessage(1001, "recorded, then reset")).rejects.toBeInstanceOf(HttpError);
    const [last] = (await telegram.remote.messages(1001)).slice(-1);
    expect(last?.text).toBe("recorded, then reset");
  });
});

describe("the model counterpart", () => {
  let model: Model;
  beforeAll(async () => {
    model = await startModel();
  });
  afterAll(async () => await model.stop());

  test("speaks OpenAI's stream: text, tool calls in pieces, usage, and the results of the tools", async () => {
    const openai = new OpenAI({ apiKey: "sk-test", baseURL: model.openaiUrl, maxRetries: 0 });
    const text = await openai.chat.completions
      .stream({ model: "scripted", messages: [{ role: "user", content: "echo m1" }] })
      .finalContent();
    expect(text).toBe("echo m1");

    const asked = [{ role: "user", content: "tool m2" }] as const;
    const stream = openai.chat.completions.stream({
      model: "scripted",
      messages: [...asked],
      stream_options: { include_usage: true },
    });
    const { message } = (await stream.finalChatCompletion()).choices[0] ?? {};
    const [call] = message?.tool_calls ?? [];
    if (message === undefined || call?.type !== "function") throw new Error("No tool was called.");
    expect(JSON.parse(call.function.arguments)).toEqual({
      command: "printf '%s\\n' m2 >> effects.log",
    });
    expect((await stream.totalUsage()).prompt_tokens).toBe(100);
    const after = await openai.chat.completions
      .stream({
        model: "scripted",
        messages: [...asked, message, { role: "tool", tool_call_id: call.id, content: "ok" }],
      })
      .finalContent();
    expect(after).toBe("done m2: ok");
  });

  test("speaks Anthropic's stream: text, tool calls in pieces, and the results of the tools", async () => {
    const anthropic = new Anthropic({
      apiKey: "sk-test",
      baseURL: model.anthropicUrl,
      maxRetries: 0,
    });
    const base = { model: "scripted", max_tokens: 100 };
    const text = await anthropic.messages
      .stream({ ...base, messages: [{ role: "user", content: "stream m3" }] })
      .finalText();
    expect(text).toBe(`stream m3${" and on".repeat(39)}`);

    const asked = { role: "user", content: "tool m4" } as const;
    const called = await anthropic.messages.stream({ ...base, messages: [asked] }).finalMessage();
    const [call] = called.content;
    if (call?.type !== "tool_use") throw new Error("No tool was called.");
    expect(call.input).toEqual({ command: "printf '%s\\n' m4 >> effects.log" });
    expect(called.stop_reason).toBe("tool_use");
    const result = {
      type: "tool_result",
      tool_use_id: call.id,
      content: "interrupted, outcome unknown",
    } as const;
    const after = await anthropic.messages
      .stream({
        ...base,
        messages: [
          asked,
          { role: "assistant", content: called.content },
          { role: "user", content: [result] },
        ],
      })
      .finalText();
    expect(after).toBe("interrupted m4");
  });

  test("keeps a journal, holds at named points, and fails as told", async () => {
    const openai = new OpenAI({ apiKey: "sk-test", baseURL: model.openaiUrl, maxRetries: 0 });
    const ask = async (content: string): Promise<string | null> =>
      await openai.chat.completions
        .stream({
          model: "scripted",
          messages: [
            { role: "system", content: "Be brief." },
            { role: "user", content },
          ],
        })
        .finalContent();
    const hold = await model.remote.arm({ point: "mid-stream", match: "m5", action: "hold" });
    let answered = false;
    const answer = ask("echo m5").then((text) => {
      answered = true;
      return text;
    });
    await model.nextEvent((event) => event.type === "reached", 5000, "the hold");
    expect(answered).toBe(false);
    await model.remote.release(hold, "go");
    expect(await answer).toBe("echo m5");

    const lone = openai.chat.completions.create({
      model: "scripted",
      messages: [
        {
          role: "assistant",
          tool_calls: [{ id: "x1", type: "function", function: { name: "f", arguments: "{}" } }],
        },
        { role: "user", content: "echo m8" },
      ],
    });
    await expect(lone).rejects.toMatchObject({ status: 400 });
    await model.remote.fault({ match: "m6", status: 429, retryAfterSeconds: 3 });
    await expect(ask("echo m6")).rejects.toMatchObject({ status: 429 });
    await expect(ask("fail m7")).rejects.toMatchObject({ status: 500 });
    const [last] = await model.remote.calls(1);
    expect(last).toMatchObject({ system: '["Be brief."]', lastUser: "fail m7", answer: "error" });
    expect(JSON.parse((await model.remote.body(last?.seq ?? 0)) ?? "")).toMatchObject({
      stream: true,
    });
  });
});
