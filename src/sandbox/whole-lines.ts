import { Transform, type TransformCallback } from "node:stream";

const newline = 10;

/**
 * Passes chunks on once they end in a newline, so that whoever joins them has nothing to join: the SDK's own buffer
 * copies a long message again for each chunk of it, which takes seconds for an attachment. A longer line is an error.
 */
export function wholeLines(maxBytes: number): Transform {
  let parts: Buffer[] = [];
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      const end = chunk.lastIndexOf(newline) + 1;
      if (end > 0) {
        this.push(Buffer.concat([...parts, chunk.subarray(0, end)]));
        parts = [];
        bytes = 0;
      }
      const rest = chunk.subarray(end);
      if (rest.length > 0) parts.push(rest);
      bytes += rest.length;
      done(bytes > maxBytes ? new Error("A message is too long.") : undefined);
    },
  });
}
