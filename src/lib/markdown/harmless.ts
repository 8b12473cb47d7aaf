/**
 * Text that a terminal or a chat app shows as it is: without control characters (so no escape sequence starts), and
 * without the invisible characters that re-order what is read. Line ends and tabs stay. Always well-formed Unicode.
 */
export function harmless(text: string): string {
  return text
    .replaceAll(/\r\n?|[\u2028\u2029]/g, "\n")
    .replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g, "")
    .toWellFormed();
}
