import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createRedactor } from "../../src/lib/redact.ts";

const telegram = "123456789:AAF-b/x+y=z_q Ä";

test("a secret goes in all the forms in which it travels", () => {
  const { redact } = createRedactor([telegram]);
  const encoded = encodeURIComponent(telegram);
  const forms = [
    telegram,
    encoded,
    encoded.toLowerCase().replace("aaf-b", "AAF-b"),
    encoded.replaceAll("%20", "+"),
    JSON.stringify(telegram),
    Buffer.from(telegram).toString("base64"),
    Buffer.from(telegram).toString("base64url"),
    Buffer.from(`user:${telegram}`).toString("base64"),
    Buffer.from(`u:${telegram}:more`).toString("base64"),
  ];
  for (const form of forms) {
    const text = redact(`https://api.example/bot${form}/getMe`);
    expect(text).toContain("[secret]");
    expect(text).not.toContain("AAF-b");
    expect(text).not.toContain(form.slice(8, 24));
  }
});

test("texts without a secret are left alone, and very short values are not taken", () => {
  const redactor = createRedactor(["abc", ""]);
  expect(redactor.redact("abc of things")).toBe("abc of things");
  redactor.add("abcdef");
  expect(redactor.redact("abc of abcdef")).toBe("abc of [secret]");
});

test("a secret that begins another leaves nothing of the other behind", () => {
  const { redact } = createRedactor(["secret-1", "secret-1-and-more"]);
  expect(redact("x secret-1-and-more y")).toBe("x [secret] y");
});

test("whatever the secret, it does not survive in a URL, in JSON or in Basic authorization", () => {
  const secrets = fc.string({ minLength: 9, maxLength: 60, unit: "grapheme" });
  fc.assert(
    fc.property(secrets, fc.string({ maxLength: 5 }), (secret, before) => {
      const { redact } = createRedactor([secret]);
      for (const form of [
        secret,
        encodeURIComponent(secret),
        JSON.stringify(secret).slice(1, -1),
      ]) {
        expect(redact(`${before}${form}`)).toContain("[secret]");
      }
      expect(redact(Buffer.from(`${before}:${secret}`).toString("base64"))).toContain("[secret]");
    }),
  );
});
