import ipaddr from "ipaddr.js";

/**
 * Whether an IP address is one of the public internet: unicast, and nothing that IANA's special-purpose registries
 * (RFC 6890) set aside. Addresses that carry an IPv4 address inside (mapped, 6to4, Teredo, NAT64, ISATAP) are all
 * refused: where they lead is decided by a gateway that we do not see.
 */
export function isPublicAddress(address: string): boolean {
  if (address.includes("%") || !ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== "unicast") return false;
  if (parsed instanceof ipaddr.IPv4) return ipaddr.IPv4.isValidFourPartDecimal(address);
  // Only 2000::/3 is assigned for global unicast (RFC 4291); IPv4-compatible ::a.b.c.d falls out here as well.
  const [first = 0, , , , fifth = 0, sixth = 0] = parsed.parts;
  const isGlobal = first >> 13 === 1;
  // ISATAP's interface identifier (RFC 5214): 0000:5efe or 0200:5efe before the IPv4 address.
  const isIsatap = sixth === 0x5efe && (fifth === 0 || fifth === 0x0200);
  return isGlobal && !isIsatap;
}
