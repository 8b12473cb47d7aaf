import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { publicFetch } from "../../src/lib/public-fetch.ts";
import type { PublicFetchOptions } from "../../src/lib/public-fetch.ts";
import { certificate, certificateKey } from "../support/certificate.ts";
import { serve } from "../support/web-server.ts";

const isLoopback = (address: string): boolean => address === "127.0.0.1";
const onLoopback = async () => [{ address: "127.0.0.1", family: 4 }];

const toPrivate = async () => [{ address: "10.0.0.1", family: 4 }];
const never = () => new Promise<never>(() => undefined);
/** One name leads to where we may go, every other one to where we may not. */
const lookup = async (name: string) =>
  name === "site.example" ? await onLoopback() : await toPrivate();

function get(url: string, options: Partial<PublicFetchOptions> = {}) {
  return publicFetch(url, {
    signal: new AbortController().signal,
    maxBytes: 100_000,
    timeoutMs: 20_000,
    isAllowedAddress: isLoopback,
    ...options,
  });
}

/** What a fetch with the real address check says. */
async function refusal(url: string, options: Partial<PublicFetchOptions> = {}): Promise<string> {
  const { signal } = new AbortController();
  return await publicFetch(url, { signal, maxBytes: 1000, timeoutMs: 5000, ...options }).then(
    ({ status }) => `fetched with ${status}`,
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

test("a page comes back with its type, its encoding and its bytes", async () => {
  const { origin } = await serve((_request, response) => {
    response.setHeader("content-type", 'Text/HTML; x=1; charset="utf-8"').end("<p>hello");
  });
  const page = await get(`${origin}/a?b=c#d`);
  expect(page).toMatchObject({
    status: 200,
    mediaType: "text/html",
    charset: "utf-8",
    cutOff: false,
  });
  expect(Buffer.from(page.body).toString()).toBe("<p>hello");
});

test("every private address is refused before a connection, however it is written; the same server answers when allowed", async () => {
  const { origin, port, seen } = await serve((_request, response) => void response.end("inside"));
  const urls = [
    "127.0.0.1",
    "localhost",
    "localhost.",
    "127.1",
    "0177.0.0.1",
    "0x7f000001",
    "2130706433",
    "0.0.0.0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "１２７.0.0.1",
  ].map((host) => `http://${host}:${port}/`);
  for (const url of urls)
    expect(await refusal(url)).toMatch(/^PublicFetchError: .*(is not a public address)/);
  expect(seen).toEqual([]);
  expect((await get(origin)).status).toBe(200);
});

test("a name that leads to a private address is refused, also when only one of its answers does", async () => {
  const { port, seen } = await serve((_request, response) => void response.end("inside"));
  const url = `http://rebind.example:${port}/`;
  const toLoopback = { address: "127.0.0.1", family: 4 };
  expect(await refusal(url, { lookup: async () => [toLoopback] })).toContain(
    "not a public address",
  );
  expect(
    await refusal(url, {
      lookup: async () => [{ address: "93.184.216.34", family: 4 }, toLoopback],
    }),
  ).toContain("not a public address");
  expect(await refusal(url, { lookup: async () => [] })).toContain("not a public address");
  expect(seen).toEqual([]);
});

test("a name that changes its address after the check is connected to where it was checked", async () => {
  const { port, seen } = await serve((_request, response) => void response.end("first"));
  let asked = 0;
  const lookup = async () => {
    asked += 1;
    return [{ address: asked === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }];
  };
  await get(`http://rebind.example:${port}/`, { lookup });
  expect(asked).toBe(1);
  expect(seen).toEqual([`rebind.example:${port}/`]);
});

test("redirects are followed, each checked anew", async () => {
  const inside = await serve((_request, response) => void response.end("inside"));
  const { port } = await serve((request, response) => {
    const target = {
      "/good": "/end",
      "/private": `http://127.0.0.1:${inside.port}/`,
      "/name": `http://evil.example:${inside.port}/`,
    }[request.url ?? ""];
    if (target === undefined) response.end(`end of ${request.url}`);
    else response.writeHead(302, { location: target }).end();
  });
  const site = `http://site.example:${port}`;
  expect(Buffer.from((await get(`${site}/good`, { lookup })).body).toString()).toBe("end of /end");
  expect((await get(`${site}/good`, { lookup })).url).toBe(`${site}/end`);
  await expect(get(`${site}/name`, { lookup })).rejects.toThrow("not a public address");
  await expect(get(`${site}/private`, { lookup, deniedHosts: ["127.0.0.1"] })).rejects.toThrow(
    "never fetched",
  );
  expect(inside.seen).toEqual([]);
  await get(`${site}/private`, { lookup });
  expect(inside.seen).toHaveLength(1);
});

test("a redirect to another scheme, with a password, or without end is not followed", async () => {
  const { origin } = await serve((request, response) => {
    const target =
      {
        "/file": "file:///etc/passwd",
        "/gopher": "gopher://x/",
        "/login": "http://u:p@127.0.0.1/",
        "/none": "http://",
        "/ssh": "http://127.0.0.1:22/",
      }[request.url ?? ""] ?? "/loop";
    response.writeHead(301, { location: target }).end();
  });
  await expect(get(`${origin}/file`)).rejects.toThrow("Only http and https");
  await expect(get(`${origin}/gopher`)).rejects.toThrow("Only http and https");
  await expect(get(`${origin}/login`)).rejects.toThrow("user name or password");
  await expect(get(`${origin}/none`)).rejects.toThrow("no URL");
  await expect(get(`${origin}/ssh`)).rejects.toThrow("Port 22");
  await expect(get(`${origin}/loop`)).rejects.toThrow("redirected more than 5 times");
});

test("a redirect from https to http is not followed; https itself works", async () => {
  const server = createServer({ key: certificateKey, cert: certificate }, (request, response) => {
    if (request.url === "/down")
      response.writeHead(302, { location: "http://site.example/" }).end();
    else response.end("sealed");
  });
  onTestFinished(() => void server.close());
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const origin = `https://site.example:${(server.address() as AddressInfo).port}`;
  const options = { lookup: onLoopback, ca: certificate };
  expect(Buffer.from((await get(origin, options)).body).toString()).toBe("sealed");
  await expect(get(`${origin}/down`, options)).rejects.toThrow("from https to http");
  await expect(get(origin, { lookup: onLoopback })).rejects.toThrow("no valid certificate");
});

test.each([
  ["ftp://example.org/", "Only http and https"],
  ["file:///etc/passwd", "Only http and https"],
  ["javascript:alert(1)", "Only http and https"],
  ["data:text/plain,x", "Only http and https"],
  ["//example.org", "not a URL"],
  ["example.org", "not a URL"],
  ["http://user@example.org/", "user name or password"],
  ["http://:secret@example.org/", "user name or password"],
  ["http://example.org:25/", "Port 25"],
  ["http://example.org:6379/", "not a public address"],
  [`http://example.org/${"x".repeat(5000)}`, "longer than"],
  ["https://api.telegram.org/bot1:x/sendMessage?text=loot", "never fetched"],
  ["https://API.Telegram.org./bot1:x/getMe", "never fetched"],
  ["https://sub.api.telegram.org/", "never fetched"],
])("%s is refused", async (url, words) => {
  const lookup = toPrivate;
  expect(await refusal(url, { deniedHosts: ["api.telegram.org"], lookup })).toContain(words);
});

test("a host that only ends like a denied one is not denied", async () => {
  const { port } = await serve((_request, response) => void response.end("fine"));
  const options = { lookup: onLoopback, deniedHosts: ["api.telegram.org"] };
  expect((await get(`http://notapi.telegram.org.example:${port}/`, options)).status).toBe(200);
  expect((await get(`http://xapi.telegram.org:${port}/`, options)).status).toBe(200);
});

test("packed pages are unpacked", async () => {
  const text = "hello ".repeat(100);
  const { origin } = await serve((request, response) => {
    const pack = { "/gzip": gzipSync, "/deflate": deflateSync, "/br": brotliCompressSync }[
      request.url ?? ""
    ];
    if (pack === undefined) throw new Error("unknown path");
    response.writeHead(200, { "content-encoding": (request.url ?? "").slice(1) }).end(pack(text));
  });
  for (const path of ["/gzip", "/deflate", "/br"]) {
    expect(Buffer.from((await get(origin + path)).body).toString()).toBe(text);
  }
});

test("a page is cut off at the cap, and a decompression bomb is not unpacked beyond it", async () => {
  const bomb = gzipSync(Buffer.alloc(200_000_000));
  const { origin } = await serve((request, response) => {
    if (request.url === "/bomb") response.setHeader("content-encoding", "gzip").end(bomb);
    else if (request.url === "/exact") response.end("x".repeat(1000));
    else response.end("x".repeat(1001));
  });
  expect(await get(`${origin}/more`, { maxBytes: 1000 })).toMatchObject({ cutOff: true });
  expect(await get(`${origin}/exact`, { maxBytes: 1000 })).toMatchObject({ cutOff: false });
  const before = process.memoryUsage().rss;
  const page = await get(`${origin}/bomb`, { maxBytes: 1000 });
  expect(page.body).toHaveLength(1000);
  expect(page.cutOff).toBe(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
});

test("a page that never ends is cut off at the cap", async () => {
  const { origin } = await serve((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(10_000)));
      response.once("drain", more);
    };
    more();
  });
  expect(await get(origin, { maxBytes: 50_000 })).toMatchObject({ cutOff: true });
});

test("a server that is silent, or stops in the middle, is given up", async () => {
  const { origin } = await serve((request, response) => {
    if (request.url === "/half") response.writeHead(200, { "content-length": "100" }).write("half");
  });
  await expect(get(`${origin}/silent`, { idleMs: 300 })).rejects.toThrow("stopped answering");
  await expect(get(`${origin}/half`, { idleMs: 300 })).rejects.toThrow("stopped answering");
  await expect(get(`${origin}/silent`, { timeoutMs: 300 })).rejects.toThrow(
    "took longer than 0.3 s",
  );
  await expect(get("http://slow.example/", { timeoutMs: 300, lookup: never })).rejects.toThrow(
    "took longer",
  );
});

test("the caller's abort ends it with the caller's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("/stop");
  const { origin } = await serve(() => controller.abort(reason));
  await expect(get(origin, { signal: controller.signal })).rejects.toBe(reason);
  await expect(get(origin, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test("broken answers end in a sentence", async () => {
  const { origin } = await serve((request, response) => {
    if (request.url === "/packed")
      response.writeHead(200, { "content-encoding": "gzip" }).end("not gzip");
    else if (request.url === "/odd")
      response.writeHead(200, { "content-encoding": "gzip, br" }).end("x");
    else if (request.url === "/headers")
      response.writeHead(200, { "x-long": "x".repeat(60_000) }).end("x");
    else response.socket?.end("nonsense\r\n\r\n");
  });
  for (const path of ["/packed", "/odd", "/headers", "/nonsense"]) {
    await expect(get(origin + path)).rejects.toThrow(/^The page/);
  }
  const gone = await serve((_request, response) => void response.end());
  await expect(
    get("http://none.example/", {
      lookup: async () => {
        throw Object.assign(new Error("no"), { code: "ENOTFOUND" });
      },
    }),
  ).rejects.toThrow("could not be found");
  expect(gone.seen).toEqual([]);
});

test("a proxy in the environment does not get round the check", async () => {
  const proxy = await serve((_request, response) => void response.end("proxied"));
  for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "NODE_USE_ENV_PROXY"]) {
    const before = process.env[name];
    onTestFinished(() => {
      if (before === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = before;
    });
    process.env[name] = name === "NODE_USE_ENV_PROXY" ? "1" : proxy.origin;
  }
  expect(await refusal("http://10.0.0.1/")).toContain("not a public address");
  expect(proxy.seen).toEqual([]);
});
