const maxNameLength = 100;
const maxExtensionLength = 16;

/**
 * A plain base name from what a sender called a file: no separators, no control, invisible or re-ordering characters,
 * no leading dot or dash, never empty, at most 100 UTF-16 units with its extension kept.
 */
export function safeFileName(name: string | undefined, fallback: string): string {
  const plain = (name ?? "")
    .toWellFormed()
    .normalize("NFC")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Zl}\p{Zp}\uFFFD]/gu, "")
    .replaceAll(/[/\\:*?"<>|;]/g, "_")
    .replaceAll(/\s+/gu, " ")
    .replace(/^[.\s-]+/, "")
    .replace(/[.\s]+$/, "");
  if (plain === "") return fallback;
  if (plain.length <= maxNameLength) return plain;
  const dot = plain.lastIndexOf(".");
  const extension = dot > 0 && plain.length - dot <= maxExtensionLength ? plain.slice(dot) : "";
  const stem = plain.slice(0, maxNameLength - extension.length).toWellFormed();
  return stem.replaceAll("\uFFFD", "").trimEnd() + extension;
}

/** A media type as a header may carry it, or the general one. */
export function safeMediaType(type: string | undefined): string {
  const isPlain = type !== undefined && /^[\w.+-]{1,64}\/[\w.+-]{1,64}$/.test(type);
  return isPlain ? type.toLowerCase() : "application/octet-stream";
}
