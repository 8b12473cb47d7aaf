import { expect, test } from "vitest";
import { llm, load, mistakesOf, telegram } from "./folder.ts";

const access = (channel: object) =>
  load({ llm, channel: { ...telegram, ...channel } }).config.channels[0]?.access;
const owners = (config: object) => load({ llm, ...config }).config.owners;
const refusals = (channel: object) =>
  mistakesOf({ llm, channel: { ...telegram, ...channel } }).map(
    ({ path, reason }) => `${path}: ${reason}`,
  );

test("without an allowlist nobody is admitted, and pairing is on", () => {
  expect(access({})).toEqual({
    allowedUsers: [],
    allowedChats: undefined,
    pairing: true,
    groupTrigger: undefined,
  });
});

test("with an allowlist pairing is off unless asked for", () => {
  expect(access({ allowed_users: [5] })).toMatchObject({ allowedUsers: ["5"], pairing: false });
  expect(access({ allowed_users: [5], pairing: true })).toMatchObject({ pairing: true });
  expect(access({ allowed_users: [] })).toMatchObject({ allowedUsers: [], pairing: false });
});

test("an empty allowlist admits nobody, and a warning says so", () => {
  const { warnings } = load({ llm, channel: { ...telegram, allowed_users: [] } });
  expect(warnings).toContainEqual(
    expect.objectContaining({ reason: expect.stringContaining("only the owner is admitted") }),
  );
});

test("allow_from is another name for allowed_users, and both at once are a mistake", () => {
  expect(access({ allow_from: ["5", 6, "6"] })).toMatchObject({ allowedUsers: ["5", "6"] });
  expect(refusals({ allow_from: [5], allowed_users: [5] })).toEqual([
    "channel.allow_from: is another name for allowed_users; keep one of them.",
  ]);
});

test('"*" opens the channel, and a warning says so', () => {
  const { config, warnings } = load({ llm, channel: { ...telegram, allowed_users: ["*"] } });
  expect(config.channels[0]?.access.allowedUsers).toBe("everyone");
  expect(config.owners).toEqual([]);
  expect(warnings).toContainEqual(
    expect.objectContaining({
      path: "channel.allowed_users",
      reason: expect.stringContaining("everyone"),
    }),
  );
});

test.each([
  ["alice", "is a name"],
  ["@alice", "is a name"],
  ["Алиса", "is a name"],
  ["-5", "is not an id of telegram"],
  ["12 34", "is not an id of telegram"],
  [" 5", "is not an id of telegram"],
  ["**", "is not an id of telegram"],
  [0, "is not an id of telegram"],
  [1.5, "is not an id of telegram"],
  [null, "must be"],
  [true, "must be text in double quotes or a number"],
  [["5"], "must be"],
  [{ id: 5 }, "must be"],
  ["", "is not an id of telegram"],
])("an allowlist entry that is no id refuses the whole file: %j", (entry, words) => {
  const found = refusals({ allowed_users: [123, entry] });
  expect(found).toHaveLength(1);
  expect(found[0]).toContain("channel.allowed_users[1]: ");
  expect(found[0]).toContain(words);
});

test.each([5, "5", "*", {}, null])("an allowlist that is no list is refused: %j", (value) => {
  expect(refusals({ allowed_users: value })).toHaveLength(1);
});

test("each platform has its own form of ids", () => {
  const slack = { type: "slack", bot_token: "xoxb-1", app_token: "xapp-1" };
  expect(
    load({ llm, channel: { ...slack, allowed_users: ["U024BE7LH"] } }).config.channels[0]?.access,
  ).toMatchObject({ allowedUsers: ["U024BE7LH"] });
  expect(mistakesOf({ llm, channel: { ...slack, allowed_users: [123456789] } })).toMatchObject([
    { reason: '"123456789" is not an id of slack; one looks like U024BE7LH.' },
  ]);
});

test("a number that JSON would change is refused, with the digits as they were written", () => {
  const mistakes = mistakesOf(`{ "llm": ${JSON.stringify(llm)},
    "channel": { "type": "discord", "token": "t-literal", "allowed_users": [80351110224678912] } }`);
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]?.reason).toContain('write it in double quotes: "80351110224678912"');
});

test("rooms are listed by id, some with all their members", () => {
  expect(
    access({ allowed_chats: [-100123, "7", { id: -5, members: "all" }, { id: 6 }] })?.allowedChats,
  ).toEqual([
    { id: "-100123", members: "admitted" },
    { id: "7", members: "admitted" },
    { id: "-5", members: "all" },
    { id: "6", members: "admitted" },
  ]);
  expect(refusals({ allowed_chats: [{ id: 5, members: "al" }] })).toEqual([
    'channel.allowed_chats[0].members: must be "admitted" or "all", not "al"; did you mean "all"?',
  ]);
  expect(refusals({ allowed_chats: ["*"] })[0]).toContain("is no room");
});

test("channel and channels exclude each other, and names of channels are plain", () => {
  expect(mistakesOf({ llm, channel: telegram, channels: { a: telegram } })).toMatchObject([
    { path: "channel", reason: expect.stringContaining('beside "channels"') },
  ]);
  for (const name of ["A", "1a", "a_b", "../x", "a".repeat(32), ""]) {
    expect(mistakesOf({ llm, channels: { [name]: telegram } })).toHaveLength(1);
  }
  const { config } = load({ llm, channels: { work: telegram, "home-2": telegram } });
  expect(config.channels.map(({ name, kind }) => [name, kind])).toEqual([
    ["work", "telegram"],
    ["home-2", "telegram"],
  ]);
});

test("the owner is the file's, else the only id of the only allowlist, else nobody yet", () => {
  const one = { ...telegram, allowed_users: [7] };
  expect(owners({ channel: telegram, owner: { channel: "telegram", id: 9 } })).toEqual([
    { channel: "telegram", id: "9" },
  ]);
  expect(owners({ channel: one })).toEqual([{ channel: "telegram", id: "7" }]);
  expect(owners({ channels: { a: one, b: telegram } })).toEqual([{ channel: "a", id: "7" }]);
  expect(owners({ channels: { a: one, b: one } })).toEqual([]);
  expect(owners({ channels: { a: one, b: { ...telegram, allowed_users: ["*"] } } })).toEqual([]);
  expect(owners({ channel: { ...telegram, allowed_users: [7, 8] } })).toEqual([]);
});

test("an owner on a channel that is not there, or by name, is a mistake", () => {
  expect(
    mistakesOf({
      llm,
      channels: { work: telegram },
      owner: [
        { channel: "wrok", id: 9 },
        { channel: "work", id: "alice" },
      ],
    }).map(({ path, reason }) => `${path}: ${reason}`),
  ).toEqual([
    'owner[0].channel: "wrok" is not a configured channel; did you mean "work"? Configured: work.',
    'owner[1].id: "alice" is a name, and names can be changed by anyone; use the id, such as 123456789.',
  ]);
});
