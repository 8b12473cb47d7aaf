import type { Address } from "../contracts/message.ts";

/** One string per address, for maps and database keys. Parts are escaped, so no two addresses share a key. */
export function addressKey(address: Address): string {
  const parts = [address.channel, address.chat];
  if (address.thread !== undefined) parts.push(address.thread);
  return parts.map((part) => encodeURIComponent(part)).join("/");
}

/** The address of a key made by `addressKey`. */
export function parseAddressKey(key: string): Address {
  const [channel = "", chat = "", thread] = key.split("/").map((part) => decodeURIComponent(part));
  return { channel, chat, thread };
}
