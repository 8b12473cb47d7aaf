import {
  chmodSync,
  cpSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  copyBundle,
  copyNode,
  findOldNode,
  makeFolder,
  root,
  run,
  type RunResult,
} from "./support/bundle.ts";

const oldNode = findOldNode();

/** A checkout with packages and bundle, whose path has a space. */
let checkout = "";

beforeAll(() => {
  checkout = makeFolder();
  for (const name of ["deploy.sh", "package.json", "package-lock.json", "src", "scripts"]) {
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  }
  cpSync(join(root, "workspace-template"), join(checkout, "workspace-template"), {
    recursive: true,
  });
  copyNode(checkout);
  writeFileSync(join(checkout, "node_modules/.package-lock.json"), "{}");
  copyBundle(checkout);
  const later = new Date(Date.now() + 1000);
  utimesSync(join(checkout, "dist/package.json"), later, later);
});

afterAll(() => {
  rmSync(checkout, { recursive: true, force: true });
});

const deploy = (
  args: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<RunResult> => run("bash", [join(checkout, "deploy.sh"), ...args], options);

describe("deploy.sh try, with a pipe", () => {
  test("answers on stdout, says on stderr which model and why, and exits 0", async () => {
    const result = await deploy(["try"], { input: "list my files\n" });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("welcome.md");
    expect(result.stdout).not.toContain("Model:");
    expect(result.stderr).toContain("Model: offline, because none of ANTHROPIC_API_KEY");
  });

  test.each([
    ["unset", {}],
    ["empty", { HOME: "" }],
    ["missing", { HOME: "/no/such/home" }],
  ])("works with HOME %s", async (_, env) => {
    const result = await deploy(["try", "--provider", "offline"], { env, input: "list my files" });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("welcome.md");
  });

  test.skipIf(oldNode === undefined)("works on a machine that has only Node 20", async () => {
    const env = { PATH: `${dirname(oldNode ?? "")}:/usr/bin:/bin` };
    const result = await deploy(["try"], { env, input: "list my files\n" });
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("welcome.md");
  });

  test("works through a symbolic link from another folder", async () => {
    const link = join(checkout, "link to deploy");
    symlinkSync("deploy.sh", link);
    const result = await run("bash", [link, "try"], { cwd: "/", input: "list my files\n" });
    expect(result).toMatchObject({ code: 0 });
  });

  test("works for a user who cannot write the checkout, with folders of his own", async () => {
    const own = makeFolder();
    const result = await deploy(
      ["try", "--state", join(own, "state"), "--workspace", join(own, "workspace")],
      { input: "list my files\n", unprivileged: true },
    );
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("welcome.md");
    rmSync(own, { recursive: true, force: true });
  });

  test("says which folders to choose to a user who cannot write the checkout", async () => {
    chmodSync(checkout, 0o755);
    rmSync(join(checkout, ".barnacle"), { recursive: true, force: true });
    const result = await deploy(["try"], { input: "list my files\n", unprivileged: true });
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(result.stderr).toContain("Choose a folder that can be written with --workspace DIR");
  });
});

describe("deploy.sh", () => {
  test("names the nearest command for an unknown one, and exits 2", async () => {
    const result = await deploy(["tyr"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain('Did you mean "try"?');
  });

  test("prints its help and its version", async () => {
    expect(await deploy(["help"])).toMatchObject({ code: 0, stderr: "" });
    expect((await deploy(["version"])).stdout).toMatch(/^barnacle \d+\.\d+\.\d+\n$/);
  });

  test("refuses a Node that is too old with a sentence", async () => {
    const bin = join(checkout, "old-bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "node"), "#!/bin/sh\necho v18.19.0\n", { mode: 0o755 });
    const result = await deploy(["try"], { env: { PATH: `${bin}:${process.env["PATH"]}` } });
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(result.stderr).toContain("Node v18.19.0 is too old");
  });

  test("shows the end of the log and its path when the install fails", async () => {
    const broken = makeFolder();
    for (const name of ["deploy.sh", "package.json", "package-lock.json"]) {
      cpSync(join(root, name), join(broken, name));
    }
    const bin = join(broken, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "npm"), "#!/bin/sh\necho the registry is away >&2\nexit 7\n", {
      mode: 0o755,
    });
    const result = await run("bash", [join(broken, "deploy.sh"), "try"], {
      env: { PATH: `${bin}:${process.env["PATH"]}` },
    });
    expect(result).toMatchObject({ code: 3, stdout: "" });
    expect(result.stderr).toContain("the registry is away");
    expect(result.stderr).toContain(join(broken, ".barnacle/install.log"));
    rmSync(broken, { recursive: true, force: true });
  });
});
