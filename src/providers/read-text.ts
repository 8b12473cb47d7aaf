import { ModelError } from "../contracts/errors.ts";

const maxBytes = 16 * 1024 * 1024;

/** A response's whole text; more than 16 MB is an error. */
export async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new ModelError("The model's server sent more than can be read.", {
        kind: "unavailable",
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
